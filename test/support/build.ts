import { existsSync } from "node:fs";
import { join } from "node:path";
import { build, TARGETS } from "../../scripts/build.ts";
import { ROOT } from "./paths.ts";

/** vitest globalSetup: the tests run what `npm start` runs, so dist/ must be of this source. Built once per run. */
export async function setup(): Promise<void> {
  const hasWorker = existsSync(join(ROOT, "src/worker.ts"));
  await build(TARGETS.filter((target) => target !== "worker" || hasWorker));
}
