import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ModuleSources } from "../../../src/deploy/module-sources.ts";
import type { Analyzer } from "../../../src/deploy/ports.ts";
import type { AnalyzedModule, AnalyzeRequest, AnalyzeResult, ThrownError } from "../../../src/protocol/invocation.ts";
import { exportedFunctions } from "../../../src/values/exported-functions.ts";

/** Evaluates pushed modules in this process. A stand-in for the isolate's harness: real bundles, few of its checks. */
export class NodeAnalyzer implements Analyzer {
  readonly requests: AnalyzeRequest[] = [];

  async analyze(
    modules: ModuleSources,
    request: AnalyzeRequest,
    variables: Readonly<Record<string, string>>,
  ): Promise<AnalyzeResult> {
    this.requests.push(request);
    const directory = await mkdtemp(join(tmpdir(), "analyze-"));
    const environment = process.env;
    try {
      await writeFile(join(directory, "package.json"), `{"type":"module"}`);
      for (const [key, source] of Object.entries(modules)) {
        await mkdir(dirname(join(directory, key)), { recursive: true });
        // The bundler names a map file that does not exist here.
        await writeFile(join(directory, key), source.replace(/^\/\/# sourceMappingURL=.*$/m, ""));
      }
      process.env = request.kind === "authConfig" ? strict(variables) : { ...variables };
      const load = async (key: string) => await import(/* @vite-ignore */ pathToFileURL(join(directory, key)).href);
      if (request.kind !== "modules") {
        const path = request.module.slice(request.module.lastIndexOf("/") + 1);
        try {
          const { default: exported } = await load(request.module);
          return {
            ok: true,
            exported: JSON.stringify(request.kind === "authConfig" ? exported.providers : exported.export()),
          };
        } catch (error) {
          return failure(path, error);
        }
      }
      const analyzed: AnalyzedModule[] = [];
      for (const { module, path } of request.modules) {
        try {
          analyzed.push(analyzeModule(path, await load(module)));
        } catch (error) {
          return failure(path, error);
        }
      }
      return { ok: true, modules: analyzed };
    } finally {
      process.env = environment;
      await rm(directory, { recursive: true });
    }
  }

  describe(error: ThrownError): string {
    return `Uncaught ${error.name}: ${error.message}`;
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- exports of user code have any shape
function analyzeModule(path: string, exports: Record<string, any>): AnalyzedModule {
  return {
    path,
    functions: exportedFunctions(path, exports),
    httpRoutes:
      path === "http.js"
        ? exports["default"].getRoutes().map(([route, method]: [string, string]) => [route, method])
        : null,
    crons: path === "crons.js" ? exports["default"].export() : null,
  };
}

function failure(path: string, error: unknown): AnalyzeResult {
  const thrown = error instanceof Error ? error : new Error(String(error));
  return {
    ok: false,
    path,
    error: { name: thrown.name, message: thrown.message },
    logs: [],
  };
}

function strict(variables: Readonly<Record<string, string>>): Record<string, string> {
  return new Proxy(
    { ...variables },
    {
      get(target, name) {
        if (typeof name === "string" && !(name in target)) {
          throw new Error(`Environment variable ${name} is used in auth config file but its value was not set`);
        }
        return Reflect.get(target, name);
      },
    },
  );
}
