import type { AnalyzeRequest, AnalyzeResult, ThrownError } from "../protocol/invocation.ts";
import type { ModuleSources } from "./module-sources.ts";
import type { Analyzer } from "./ports.ts";

/**
 * Lets other requests have their turn after each evaluation: a push of many components evaluates hundreds of modules,
 * and workerd on one machine looks at its sockets only when nothing in it is ready to run.
 */
export class PausingAnalyzer implements Analyzer {
  readonly #analyzer: Analyzer;
  readonly #pause: () => Promise<void>;

  constructor(analyzer: Analyzer, pause: () => Promise<void>) {
    this.#analyzer = analyzer;
    this.#pause = pause;
  }

  async analyze(
    modules: ModuleSources,
    request: AnalyzeRequest,
    variables: Readonly<Record<string, string>>,
  ): Promise<AnalyzeResult> {
    const result = await this.#analyzer.analyze(modules, request, variables);
    await this.#pause();
    return result;
  }

  describe(error: ThrownError, sourceMap: (module: string) => string | undefined): string {
    return this.#analyzer.describe(error, sourceMap);
  }
}
