import { env as workerEnv } from "cloudflare:workers";
import { AsyncLocalStorage } from "node:async_hooks";
import type { IsolateEnv, LogLine } from "../../protocol/invocation.ts";
import { SeededRandom } from "./seeded-random.ts";

/** Files that are evaluated for what they export and have their own rules (`abi.md` §4.1, 4.5, 4.6). */
export type Evaluation = "module" | "schema" | "authConfig" | "definition";

export interface ImportingModule {
  /** Key in the module table, e.g. `"app/dir/messages.js"`. */
  readonly key: string;
  readonly evaluation: Evaluation;
  /** What the module printed while it was imported, newest last, at most 100 lines. */
  readonly logs: LogLine[];
  /** A failure that the module could not catch. The first one counts. */
  failure: Error | undefined;
  /** Refusals that are no failure if somebody handles them (`refused-promise.ts`). */
  readonly refused: { readonly error: unknown; readonly handled: () => boolean }[];
  /** The values a module draws are the same whenever this code is evaluated. */
  random: SeededRandom | undefined;
}

/** The CLI never pushes these names as ordinary modules (`abi.md` §1.6). */
const EVALUATIONS: Readonly<Record<string, Evaluation>> = {
  "schema.js": "schema",
  "auth.config.js": "authConfig",
  "convex.config.js": "definition",
};

const KEPT_LOG_LINES = 100;

export const isolateEnv: IsolateEnv = workerEnv as unknown as IsolateEnv;

const importing = new AsyncLocalStorage<ImportingModule>();

export function importingModule(): ImportingModule | undefined {
  return importing.getStore();
}

/** Outside of any import only the harness itself draws. */
const ownRandom = new SeededRandom(isolateEnv.importSeed);

export function importRandom(): SeededRandom {
  const module = importing.getStore();
  if (module === undefined) return ownRandom;
  return (module.random ??= new SeededRandom(isolateEnv.importSeed));
}

/** Runs `body` as the evaluation of `module`, shared chunks that it is the first to import included. */
export function whileImporting<T>(module: ImportingModule, body: () => T): T {
  return importing.run(module, body);
}

export function newImport(key: string): ImportingModule {
  const name = key.slice(key.lastIndexOf("/") + 1);
  return {
    key,
    evaluation: EVALUATIONS[name] ?? "module",
    logs: [],
    failure: undefined,
    refused: [],
    random: undefined,
  };
}

export function failImport(error: Error): void {
  const module = importing.getStore();
  if (module !== undefined) module.failure ??= error;
}

export function logImport(line: LogLine): void {
  const logs = importing.getStore()?.logs;
  if (logs === undefined) return;
  logs.push(line);
  if (logs.length > KEPT_LOG_LINES) logs.shift();
}
