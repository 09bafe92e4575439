import type { AnalyzeRequest, AnalyzeResult, Harness, IsolateEnv, ThrownError } from "../../protocol/invocation.ts";
import type { Random } from "../../shared/random.ts";
import type { Clock } from "../../shared/clock.ts";
import { toHex } from "../../shared/bytes.ts";
import { uncaught } from "../functions/failure.ts";
import { type HarnessCode, isolateModules, MAIN_MODULE } from "../isolate/main-module.ts";
import { ISOLATE_COMPATIBILITY_DATE, ISOLATE_COMPATIBILITY_FLAGS } from "./isolates.ts";
import { mapFrames, plainMap } from "./source-map.ts";
import { type StartFailure, startFailure } from "./start-failure.ts";

/** Evaluates pushed code in an isolate that nobody else uses and that is thrown away: no rights, no network. */
export class IsolateAnalyzer {
  readonly #loader: WorkerLoader;
  readonly #harness: HarnessCode;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(loader: WorkerLoader, harness: HarnessCode, clock: Clock, random: Random) {
    this.#loader = loader;
    this.#harness = harness;
    this.#clock = clock;
    this.#random = random;
  }

  async analyze(
    modules: Readonly<Record<string, string>>,
    request: AnalyzeRequest,
    variables: Readonly<Record<string, string>>,
  ): Promise<AnalyzeResult> {
    const environment: IsolateEnv = {
      variables: { "": variables },
      importSeed: toHex(this.#random.bytes(16)).toLowerCase(),
      importTime: this.#clock.now(),
      runtime: "database",
    };
    const sources = Object.entries(modules).map(([key, source]) => ({ key, source }));
    const worker = this.#loader.load({
      compatibilityDate: ISOLATE_COMPATIBILITY_DATE,
      compatibilityFlags: ISOLATE_COMPATIBILITY_FLAGS,
      mainModule: MAIN_MODULE,
      modules: isolateModules(this.#harness, sources, "analysis"),
      env: environment,
      globalOutbound: null,
    });
    // The loader's types know the entrypoint class only by name; the contract is `src/protocol/invocation.ts`.
    const harness = worker.getEntrypoint("Harness") as unknown as Harness;
    try {
      const answer: AnalyzeResult = JSON.parse(await harness.analyze(JSON.stringify(request)));
      return answer;
    } catch (error) {
      const failure = startFailure(error) ?? sabotage(error);
      if (failure === null) throw error;
      return { ok: false, path: pathOf(failure.module, request), error: failure.error, logs: [] };
    }
  }

  /** `Uncaught {name}: {message}`, then source-mapped frames. */
  describe(error: ThrownError, sourceMap: (module: string) => string | undefined): string {
    const frames = mapFrames(error.stack ?? "", (file) => {
      const text = sourceMap(file);
      return text === undefined ? null : plainMap(text);
    });
    return [uncaught(error), ...frames].join("\n");
  }
}

/**
 * What was thrown inside the isolate and not by the platform: a module has changed what the analysis itself works with,
 * such as `JSON`.
 */
function sabotage(error: unknown): StartFailure | null {
  if (!(error instanceof Error) || Reflect.get(error, "remote") !== true) return null;
  return { module: null, error: { name: error.name, message: error.message } };
}

/** Of a module that is analysed or of a chunk they share. */
function pathOf(key: string | null, request: AnalyzeRequest): string {
  const modules = request.kind === "modules" ? request.modules : [];
  const known = modules.find(({ module }) => module === key)?.path;
  return known ?? (key ?? "modules").replace(/^app\//, "");
}
