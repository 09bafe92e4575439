import type { AppVersion } from "../../protocol/app.ts";
import type { Harness } from "../../protocol/invocation.ts";
import type { SchemaLimits } from "../../values/limits.ts";
import { FunctionError, plainFailure } from "../functions/failure.ts";
import { App } from "./app.ts";
import type { CurrentDeployment, Deployment } from "./deployments.ts";
import type { Isolates, IsolateSource } from "./isolates.ts";

/** One module that is run once, beside the code of the app. Its default export is the query. */
export interface TestModule {
  readonly component: string;
  /** Canonical path, e.g. `"testQuery.js"`. */
  readonly path: string;
  readonly source: string;
}

const WRAPPERS = "convex:/_system/repl/wrappers.js";
const WRAPPERS_KEY = "convection/wrappers.js";

/** Code of the app with one module more, which hides one of the same path, in an isolate that is thrown away. */
export class TestCode implements CurrentDeployment, IsolateSource {
  readonly #deployments: CurrentDeployment;
  readonly #isolates: Isolates;
  readonly #loader: WorkerLoader;
  readonly #wrappers: string;
  readonly #module: TestModule;
  readonly #schemaLimits: SchemaLimits;

  constructor(
    module: TestModule,
    parts: {
      readonly deployments: CurrentDeployment;
      readonly isolates: Isolates;
      readonly loader: WorkerLoader;
      /** Text of the module that the source's only import stands for. */
      readonly wrappers: string;
      readonly schemaLimits: SchemaLimits;
    },
  ) {
    this.#module = module;
    this.#deployments = parts.deployments;
    this.#isolates = parts.isolates;
    this.#loader = parts.loader;
    this.#wrappers = parts.wrappers;
    this.#schemaLimits = parts.schemaLimits;
  }

  async current(): Promise<Deployment> {
    const deployment = await this.#deployments.current();
    const version = deployment.app === null ? null : withTestModule(deployment.app.version, this.#module);
    return { ...deployment, app: version === null ? null : new App(version, this.#schemaLimits) };
  }

  expire(): void {
    this.#deployments.expire();
  }

  /** Never one that is kept: every id of a kept isolate is billed. */
  async harness(...[app, variables, runtime]: Parameters<IsolateSource["harness"]>): Promise<Harness> {
    const { component, path, source } = this.#module;
    const key = moduleKey(app.version, component, path);
    const code = await this.#isolates.workerCode(app, variables, runtime, {
      [key]: source.replaceAll(WRAPPERS, `${"../".repeat(key.split("/").length - 1)}${WRAPPERS_KEY}`),
      [WRAPPERS_KEY]: this.#wrappers,
    });
    const worker = this.#loader.load(code);
    // The loader's types know the entrypoint class only by name; the contract is `src/protocol/invocation.ts`.
    const harness = worker.getEntrypoint("Harness") as unknown as Harness;
    return {
      run: (invocation, host) => harness.run(invocation, host).catch(startFailure),
      serve: (invocation, request, host) => harness.serve(invocation, request, host),
      analyze: (request) => harness.analyze(request),
    };
  }
}

/** workerd refuses to start a Worker of which one module is not JavaScript. Bundlers find that in what is pushed. */
function startFailure(error: unknown): never {
  const text = error instanceof Error ? error.message : "";
  const syntax = /^Failed to start Worker:\n(Uncaught SyntaxError: .*)(?:\n +(at .*))?/.exec(text);
  if (syntax === null) throw error;
  const [, message = "", frame] = syntax;
  throw new FunctionError(plainFailure(frame === undefined ? `${message}\n` : `${message}\n    ${frame}\n`));
}

function withTestModule(version: AppVersion, { component, path }: TestModule): AppVersion {
  const home = version.components[component];
  if (home === undefined) return version;
  const key = moduleKey(version, component, path);
  const query = { name: "default", kind: "Query", visibility: "internal", args: null, returns: null } as const;
  const module = { path, functions: [query], httpRoutes: null, crons: null, environment: "isolate" } as const;
  return {
    ...version,
    components: { ...version.components, [component]: { ...home, modules: { ...home.modules, [path]: module } } },
    modules: [...version.modules.filter((other) => other.key !== key), { key, path, environment: "isolate", hash: "" }],
  };
}

function moduleKey(version: AppVersion, component: string, path: string): string {
  return `${version.components[component]?.modulePrefix ?? ""}${path}`;
}
