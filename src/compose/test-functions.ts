import harness from "../../dist/harness.json";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import { Isolates } from "../runtime/code/isolates.ts";
import { TestFunctions } from "../runtime/functions/test-function.ts";
import { type Core, schemaLimits } from "./runtime.ts";

export function composeTestFunctions(core: Core, loader: WorkerLoader, deployments: CurrentDeployment): TestFunctions {
  const { runtime, persistence, settings } = core;
  return new TestFunctions(runtime, persistence, {
    deployments,
    isolates: new Isolates(loader, runtime.code, harness),
    loader,
    wrappers: harness.wrappers,
    schemaLimits: schemaLimits(settings),
  });
}
