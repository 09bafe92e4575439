import { strFromU8, unzipSync } from "fflate";
import type { Analyzer, NodeAnalyzer, PushedNodeCode } from "../../../src/deploy/ports.ts";
import type { CodeStore } from "../../../src/deploy/code-store.ts";
import { must } from "../../../src/shared/assert.ts";

/** A Node service for one deployment, as far as pushes see it: takes the package that was stored and evaluates it. */
export class PackageAnalyzer implements NodeAnalyzer {
  readonly analyzed: PushedNodeCode[] = [];
  readonly prepared: PushedNodeCode[] = [];
  readonly #code: CodeStore;
  readonly #analyzer: Analyzer;

  constructor(code: CodeStore, analyzer: Analyzer) {
    this.#code = code;
    this.#analyzer = analyzer;
  }

  async analyze(
    code: PushedNodeCode,
    request: Parameters<NodeAnalyzer["analyze"]>[1],
    variables: Readonly<Record<string, string>>,
  ) {
    this.analyzed.push(code);
    const zip = must(await this.#code.package(code.hash), "a stored package");
    const files = Object.entries(unzipSync(new Uint8Array(zip)));
    const sources = Object.fromEntries(files.map(([path, bytes]) => [`app/${path}`, strFromU8(bytes)]));
    return await this.#analyzer.analyze(sources, request, variables);
  }

  prepare(code: PushedNodeCode): Promise<void> {
    this.prepared.push(code);
    return Promise.resolve();
  }
}
