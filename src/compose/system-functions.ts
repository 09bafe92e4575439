import { openVariables } from "../deploy/environment.ts";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import { SystemFunctions } from "../system/system-functions.ts";
import type { DeployPorts } from "../deploy/ports.ts";
import type { DashboardService } from "../http/services.ts";
import { deleteTables } from "../transfer/delete-tables.ts";
import type { Core } from "./runtime.ts";

export function composeSystem(core: Core, deployments: CurrentDeployment): SystemFunctions {
  const { persistence, runtime, identity, cipher } = core;
  return new SystemFunctions({
    deployments,
    persistence,
    runtime,
    cloudUrl: identity.cloudUrl,
    siteUrl: identity.siteUrl,
    variables: (values) => openVariables(values, cipher),
  });
}

export function composeDashboard(system: SystemFunctions, ports: DeployPorts): DashboardService {
  return {
    shapes: (identity, component) => system.shapes(identity, component),
    sourceCode: (identity, component, path) => system.sourceCode(identity, component, path),
    indexes: (identity, component) => system.indexes(identity, component),
    deleteTables: (component, names) => deleteTables(ports, component, names),
  };
}
