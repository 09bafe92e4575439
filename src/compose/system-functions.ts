import { openVariables } from "../deploy/environment.ts";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import { SystemFunctions } from "../system/system-functions.ts";
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
