import { createRequire } from "node:module";
import { join } from "node:path";

/** What the process was started with, and no more, stays beside the deployment's variables (P-E-5). */
const KEPT = ["PATH", "PWD", "LANG", "NODE_PATH", "TZ", "UTC"] as const;

/** `process.env` and the globals that CommonJS code expects (`abi.md` §6.2). */
export function bindEnvironment(directory: string, variables: Readonly<Record<string, string>>): void {
  process.chdir(directory);
  const kept = Object.fromEntries(
    KEPT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, variables, kept, { PWD: directory });
  const filename = join(directory, "modules", "index.js");
  const module = { exports: {} };
  Object.assign(globalThis, {
    require: createRequire(filename),
    module,
    exports: module.exports,
    __filename: filename,
    __dirname: join(directory, "modules"),
  });
}
