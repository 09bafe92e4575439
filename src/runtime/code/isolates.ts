import type { Harness, IsolateEnv } from "../../protocol/invocation.ts";
import type { ModuleReference } from "../../protocol/app.ts";
import { must } from "../../shared/assert.ts";
import { type HarnessCode, isolateModules, MAIN_MODULE, type ModuleSource } from "../isolate/main-module.ts";
import type { App } from "./app.ts";
import { realmSources } from "./realm-bundle.ts";
import type { CodeSource } from "./code-source.ts";
import { componentVariables, type Variables } from "./variables.ts";

/** Compatibility date of user code. Changing it changes every loader id. */
export const ISOLATE_COMPATIBILITY_DATE = "2026-11-01";
/** AsyncLocalStorage and nothing else of Node: the default runtime does not look like Node (`abi.md` §5.1). */
export const ISOLATE_COMPATIBILITY_FLAGS = ["nodejs_als"];

/** `database` isolates have no network and serve queries and mutations; `action` isolates have it. */
export type IsolateRuntime = "database" | "action";

export interface IsolateSource {
  harness(app: App, variables: Variables, runtime: IsolateRuntime): Promise<Harness>;
}

/**
 * Finds the user isolate of a deployment. The loader id is a hash of everything that makes the code: app version,
 * variables, harness, runtime — and of nothing else, since every distinct id is billed per day and at most four may
 * be in flight per request (`platform.md` §1.5). One id per runtime serves the app and all its components.
 */
export class Isolates implements IsolateSource {
  readonly #loader: WorkerLoader;
  readonly #code: CodeSource;
  readonly #source: HarnessCode;
  /** Loader ids by app version, variables and runtime: hashing 512 KiB of variables per call would show. */
  readonly #ids = new WeakMap<App, Map<Variables, Map<IsolateRuntime, string>>>();

  constructor(loader: WorkerLoader, code: CodeSource, source: HarnessCode) {
    this.#loader = loader;
    this.#code = code;
    this.#source = source;
  }

  /** The stub is good for this event only: kept across events its calls never finish (`platform.md` §4 no. 7). */
  async harness(app: App, variables: Variables, runtime: IsolateRuntime): Promise<Harness> {
    const id = await this.#id(app, variables, runtime);
    const worker = this.#loader.get(id, () => this.workerCode(app, variables, runtime));
    // The loader's types know the entrypoint class only by name; the contract is `src/protocol/invocation.ts`.
    return worker.getEntrypoint("Harness") as unknown as Harness;
  }

  /** `extra`: modules that are not in the app's bundle, by key. */
  async workerCode(
    app: App,
    variables: Variables,
    runtime: IsolateRuntime,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<WorkerLoaderWorkerCode> {
    const sources = await this.#code.realms(app.version.bundleKey);
    const added = Object.entries(realmSources(extra)).map(([key, source]) => ({ key, source }));
    const kept = app.version.modules.filter(({ key }) => !Object.hasOwn(extra, key));
    const environment: IsolateEnv = {
      variables: componentVariables(app.version, variables),
      importSeed: app.version.importSeed,
      importTime: app.version.importTime,
      runtime,
    };
    return {
      compatibilityDate: ISOLATE_COMPATIBILITY_DATE,
      compatibilityFlags: ISOLATE_COMPATIBILITY_FLAGS,
      mainModule: MAIN_MODULE,
      modules: isolateModules(this.#source, [...isolateSources(kept, sources), ...added], "calls"),
      env: environment,
      // Left out for actions: they inherit the backend's network. Queries and mutations have none.
      ...(runtime === "database" ? { globalOutbound: null } : {}),
    };
  }

  async #id(app: App, variables: Variables, runtime: IsolateRuntime): Promise<string> {
    let byVariables = this.#ids.get(app);
    if (byVariables === undefined) this.#ids.set(app, (byVariables = new Map()));
    let byRuntime = byVariables.get(variables);
    if (byRuntime === undefined) {
      byVariables.clear();
      byVariables.set(variables, (byRuntime = new Map()));
    }
    const known = byRuntime.get(runtime);
    if (known !== undefined) return known;
    const id = await sha256(
      JSON.stringify([
        app.version.version,
        componentVariables(app.version, variables),
        this.#source.version,
        ISOLATE_COMPATIBILITY_DATE,
        runtime,
      ]),
    );
    byRuntime.set(runtime, id);
    return id;
  }
}

function isolateSources(
  modules: readonly ModuleReference[],
  sources: Readonly<Record<string, string>>,
): ModuleSource[] {
  return modules
    .filter((module) => module.environment === "isolate")
    .map(({ key }) => ({ key, source: must(sources[key], `source of ${key}`) }));
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
