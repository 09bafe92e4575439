import { badRequest, type CodedError } from "../shared/coded-error.ts";
import type { AnalyzeResult } from "../protocol/invocation.ts";
import type { Analyzer } from "./ports.ts";
import { invalidModules } from "./push-error.ts";

type Failure = Extract<AnalyzeResult, { ok: false }>;

/** Most console lines shown under the error of a module. */
const LOG_LINES = 100;

const UNSET_VARIABLE = /^Environment variable \S+ is used in auth config file but its value was not set$/;

export class EvaluationErrors {
  readonly #analyzer: Analyzer;
  readonly #sourceMap: (module: string) => string | undefined;

  constructor(analyzer: Analyzer, sourceMap: (module: string) => string | undefined) {
    this.#analyzer = analyzer;
    this.#sourceMap = sourceMap;
  }

  /** Of a Node module the message stands for itself (E-D-8), without the name of the error. */
  ofNodeModule(failure: Failure): CodedError {
    return this.ofModule(failure, `Uncaught ${failure.error.name}: `);
  }

  ofModule(failure: Failure, dropped = ""): CodedError {
    if (failure.text !== undefined) return invalidModules(failure.text);
    const lines = failure.logs
      .slice(-LOG_LINES)
      .map((line) => `[${line.level}] ${line.messages.join(" ")}`)
      .join("\n");
    const thrown = this.#describe(failure);
    const described = thrown.startsWith(dropped) ? thrown.slice(dropped.length) : thrown;
    const error = `Failed to analyze ${failure.path}: ${described}`;
    return invalidModules(lines === "" ? error : `${error}\n\n${lines}`);
  }

  ofSchema(failure: Failure): CodedError {
    return schemaError(failure.text ?? this.#describe(failure));
  }

  ofDefinition(failure: Failure): CodedError {
    return badRequest(
      "InvalidDefinition",
      failure.text ?? `Failed to evaluate ${failure.path}: ${this.#describe(failure)}`,
    );
  }

  ofAuthConfig(failure: Failure): CodedError {
    // The official command line finds the name in this text, which reading an unset variable throws.
    if (UNSET_VARIABLE.test(failure.error.message)) {
      return badRequest("AuthConfigMissingEnvironmentVariable", failure.error.message);
    }
    return badRequest(
      "InvalidAuthConfig",
      failure.text ?? `Failed to evaluate ${failure.path}: ${this.#describe(failure)}`,
    );
  }

  #describe(failure: Failure): string {
    return this.#analyzer.describe(failure.error, this.#sourceMap);
  }
}

export function schemaError(message: string): CodedError {
  return badRequest("InvalidSchema", `Hit an error while evaluating your schema:\n${message}`);
}
