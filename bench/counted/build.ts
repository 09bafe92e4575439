import { join } from "node:path";
import { bundleWorker } from "../../scripts/build.ts";

/** For the hidden option of `convection start`: `["--worker", file]`. dist/ has been built. */
export async function buildCountedWorker(): Promise<string[]> {
  await bundleWorker("bench/counted/worker.ts", "dist/counted-worker.js");
  return ["--worker", join(import.meta.dirname, "../../dist/counted-worker.js")];
}
