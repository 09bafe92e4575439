import { readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { expect } from "vitest";
import { buildHarness } from "../../../scripts/build-harness.ts";
import type {
  AnalyzeRequest,
  AnalyzeResult,
  FunctionKind,
  InvocationLimits,
  LogLine,
  Observed,
  ThrownError,
} from "../../../src/protocol/invocation.ts";
import { isolateModules, type ModuleSource } from "../../../src/runtime/isolate/main-module.ts";
import { realmModule } from "../../../src/runtime/code/realm-module.ts";
import type { RunReport, RunRequest } from "./parent-worker.ts";

export const NOW = 1_800_000_000_123;
export const IMPORT_TIME = 1_700_000_000_000;
export const SEED = "000102030405060708090a0b0c0d0e0f";

export const LIMITS: InvocationLimits = {
  userTimeMs: 1000,
  concurrentOperations: 1000,
  memoryBytes: 64 * 1024 * 1024,
  argumentBytes: 16 * 1024 * 1024,
  logLines: 256,
  logLineBytes: 32_768,
  notes: { userTimeMs: "", concurrentOperations: "", memoryBytes: "", logLines: "" },
};

/** What `JSON.parse` gives: tests compare it with what they expect. */
export type Json = ReturnType<typeof JSON.parse>;

export interface RunOptions extends Omit<RunRequest, "invocation"> {
  readonly seed?: string;
  readonly component?: string;
  readonly snapshotTs?: string;
  readonly tablesVersion?: string;
  readonly limits?: Partial<InvocationLimits>;
}

export interface Call extends RunOptions {
  readonly kind: FunctionKind;
  /** `"module:export"`. */
  readonly name: string;
  readonly args?: unknown;
}

export interface Report extends RunReport {
  readonly ok: boolean | "needsSnapshot" | undefined;
  readonly value: unknown;
  readonly error: ThrownError | undefined;
  readonly resultLogs: readonly LogLine[];
  readonly observed: Observed | undefined;
  readonly unawaited: readonly string[] | undefined;
}

/** Bundles the functions of `app/` as the CLI does: one module per file, shared code in `_deps/`. */
async function bundleApp(): Promise<ModuleSource[]> {
  const app = join(import.meta.dirname, "../../fixtures/isolate-app");
  const result = await build({
    entryPoints: readdirSync(app).map((file) => join(app, file)),
    bundle: true,
    splitting: true,
    format: "esm",
    target: "esnext",
    platform: "browser",
    conditions: ["convex", "module"],
    keepNames: true,
    minifySyntax: true,
    chunkNames: "_deps/[hash]",
    outdir: "/app",
    write: false,
    loader: { ".wasm": "binary" },
    logLevel: "error",
  });
  return result.outputFiles.map(({ path, text }) => ({ key: path.slice(1), source: text }));
}

/** Bundles one file given as text, `convex` included. */
export async function bundleText(contents: string): Promise<string> {
  const result = await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    format: "esm",
    target: "esnext",
    platform: "browser",
    external: ["./other.js"],
    write: false,
    logLevel: "error",
  });
  return result.outputFiles[0]?.text ?? "";
}

export class IsolateFixture {
  readonly #miniflare: Miniflare;
  readonly #code: Awaited<ReturnType<typeof buildHarness>>;
  readonly #app: readonly ModuleSource[];
  #sentIds = new Set<string>();
  #nextId = 0;

  private constructor(
    miniflare: Miniflare,
    code: Awaited<ReturnType<typeof buildHarness>>,
    app: readonly ModuleSource[],
  ) {
    this.#miniflare = miniflare;
    this.#code = code;
    this.#app = app;
  }

  static async start(): Promise<IsolateFixture> {
    const [code, app, parent] = await Promise.all([
      buildHarness(),
      bundleApp(),
      build({
        entryPoints: [join(import.meta.dirname, "parent-worker.ts")],
        bundle: true,
        format: "esm",
        external: ["cloudflare:workers"],
        write: false,
      }),
    ]);
    const miniflare = new Miniflare(
      convertV4MiniflareOptions({
        modules: true,
        script: parent.outputFiles[0]?.text ?? "",
        compatibilityDate: "2026-11-01",
        workerLoaders: { LOADER: {} },
      }),
    );
    return new IsolateFixture(miniflare, code, app);
  }

  dispose(): Promise<void> {
    return this.#miniflare.dispose();
  }

  #load(network: boolean): object {
    const id = network ? "actions" : "database";
    if (this.#sentIds.has(id)) return { id };
    this.#sentIds.add(id);
    return {
      id,
      network,
      modules: isolateModules(this.#code, rewritten(this.#app), "calls"),
      env: isolateEnv(network),
    };
  }

  async #post(path: string, load: object, payload: unknown): Promise<Response> {
    const response = await this.#miniflare.dispatchFetch(`http://parent${path}`, {
      method: "POST",
      body: JSON.stringify({ load, payload }),
    });
    return response as unknown as Response;
  }

  /** Runs the calls at the same time in one isolate. */
  async runAll(calls: readonly Call[]): Promise<Report[]> {
    const network = calls.some(({ kind }) => kind === "action" || kind === "httpAction");
    const runs = calls.map(runRequest);
    const response = await this.#post("/run", this.#load(network), runs);
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return (JSON.parse(text) as RunReport[]).map(unpack);
  }

  async run(kind: FunctionKind, name: string, args: unknown = {}, options: RunOptions = {}): Promise<Report> {
    const [report] = await this.runAll([{ ...options, kind, name, args }]);
    if (report === undefined) throw new Error("no report");
    return report;
  }

  /** The value of a function that must succeed. */
  async value(kind: FunctionKind, name: string, args: unknown = {}, options: RunOptions = {}): Promise<Json> {
    const report = await this.run(kind, name, args, options);
    expect(report.error ?? report.thrown).toBeUndefined();
    return report.value;
  }

  async serve(
    url: string,
    init: RequestInit = {},
    routedPath?: string,
  ): Promise<{ response: Response; logs: () => Promise<Json> }> {
    const load = this.#load(true);
    if ("modules" in load) await this.#post("/run", load, []);
    const requestId = `serve${this.#nextId++}`;
    const { invocation } = runRequest({ kind: "httpAction", name: "http:default" });
    const args = JSON.stringify(routedPath === undefined ? [] : [routedPath]);
    const response = await this.#miniflare.dispatchFetch("http://parent/serve", {
      ...(init as object),
      headers: {
        ...(init.headers as Record<string, string> | undefined),
        "x-url": url,
        "x-load": encodeURIComponent(JSON.stringify({ id: "actions" })),
        "x-run": encodeURIComponent(JSON.stringify({ invocation: { ...invocation, args, requestId } })),
      },
    });
    const logs = async (): Promise<Json> => {
      const answer = await this.#miniflare.dispatchFetch("http://parent/logs", { headers: { "x-host": requestId } });
      return await answer.json();
    };
    return { response: response as unknown as Response, logs };
  }

  /** Loads just these modules into an isolate of their own. */
  async analyze(
    sources: Readonly<Record<string, string>>,
    request: AnalyzeRequest,
    variables: Record<string, Record<string, string>> = {},
  ): Promise<Json> {
    const modules = isolateModules(
      this.#code,
      Object.entries(sources).map(([key, source]) => ({ key, source })),
      "analysis",
    );
    const load = { id: `analysis${this.#nextId++}`, network: false, modules, env: isolateEnv(false, variables) };
    const response = await this.#post("/analyze", load, request);
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return JSON.parse(text) as AnalyzeResult;
  }
}

function rewritten(modules: readonly ModuleSource[]): ModuleSource[] {
  return modules.map(({ key, source }) => ({ key, source: realmModule(key, source).code }));
}

function isolateEnv(network: boolean, variables?: Record<string, Record<string, string>>): object {
  return {
    variables: variables ?? {
      "": { GREETING: "hello", CONVEX_CLOUD_URL: "http://cloud" },
      child: { GREETING: "child" },
    },
    importSeed: "ffeeddccbbaa99887766554433221100",
    importTime: IMPORT_TIME,
    runtime: network ? "action" : "database",
  };
}

function runRequest(call: Call): RunRequest {
  const [module, name] = call.name.split(":");
  const { kind, args = {}, seed = SEED, component = "", snapshotTs, tablesVersion = "none", limits, ...rest } = call;
  return {
    documents: rest.documents ?? {},
    ...(rest.tables === undefined ? {} : { tables: rest.tables }),
    invocation: {
      kind,
      target: { component, module: `app/${module}.js`, path: `${module}.js`, export: name },
      args: JSON.stringify([args]),
      requestId: "0123456789abcdef",
      now: NOW,
      seed,
      ...(snapshotTs === undefined ? {} : { snapshotTs }),
      tablesVersion,
      limits: { ...LIMITS, ...limits },
    },
  };
}

function unpack(report: RunReport): Report {
  const result = (report.result ?? {}) as Record<string, Json>;
  return {
    ...report,
    ok: result["ok"],
    value: result["value"] === undefined ? undefined : JSON.parse(result["value"]),
    error: result["error"],
    resultLogs: result["logs"] ?? [],
    observed: result["observed"],
    unawaited: result["unawaited"],
  };
}
