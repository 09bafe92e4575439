import type { NodeCode } from "../../protocol/app.ts";
import type { AnalyzeRequest, AnalyzeResult } from "../../protocol/invocation.ts";
import { analyzeResponse, NODE_PROTOCOL_VERSION } from "../../protocol/node-actions.ts";
import { badRequest, type CodedError } from "../../shared/coded-error.ts";
import { plainLogLine, thrownError } from "./from-service.ts";
import { type NodeService, type ServiceAnswer, serviceFailure } from "./node-service.ts";

type PushedCode = NodeCode & { readonly nodeVersion: string | null };

/** Installing external packages is part of it, which may take a while. */
const PREPARE_MS = 300_000;

/** Evaluates pushed `"use node"` modules in the Node service. */
export class ServiceNodeAnalyzer {
  readonly #service: NodeService;
  readonly #timeoutMs: number;

  constructor(service: NodeService, timeoutMs: number) {
    this.#service = service;
    this.#timeoutMs = timeoutMs;
  }

  async analyze(
    { nodeVersion, ...code }: PushedCode,
    { modules }: AnalyzeRequest & { readonly kind: "modules" },
    variables: Readonly<Record<string, string>>,
  ): Promise<AnalyzeResult> {
    const { response, refusal } = await this.#service.post(
      "/analyze",
      {
        v: NODE_PROTOCOL_VERSION,
        package: this.#service.package(code, nodeVersion),
        modules: modules.map(({ path }) => path),
        variables: { ...variables },
        timeoutMs: this.#timeoutMs,
      },
      AbortSignal.timeout(PREPARE_MS + this.#timeoutMs),
    );
    if (refusal !== null) throw refused(refusal);
    const result = analyzeResponse.parse(await response.json());
    if (result.ok) return result;
    const { error, logs, path, text } = result;
    const keys = modules.map((module) => ({ key: module.module, path: module.path }));
    return {
      ok: false,
      path,
      error: thrownError(error, keys),
      logs: logs.map(plainLogLine),
      ...(text === undefined ? {} : { text }),
    };
  }

  async prepare({ nodeVersion, ...code }: PushedCode): Promise<void> {
    const { response, refusal } = await this.#service.post(
      "/prepare",
      { v: NODE_PROTOCOL_VERSION, package: this.#service.package(code, nodeVersion) },
      AbortSignal.timeout(PREPARE_MS),
    );
    if (refusal !== null) throw refused(refusal);
    await response.body?.cancel();
  }
}

/** What is left is about the package itself, and its text is for the developer. */
function refused(refusal: NonNullable<ServiceAnswer["refusal"]>): CodedError {
  return (
    serviceFailure(refusal) ?? badRequest(refusal.code === "" ? "NodeActionsFailed" : refusal.code, refusal.message)
  );
}
