import type { TestBackend } from "../backend.ts";

/**
 * What a client knows after a call.
 * - `ok`: done, if it was a mutation.
 * - `failed`: the function threw.
 * - `refused`: an answer of the backend itself. `unknown`: whether the mutation is stored is not known.
 * - `lost`: no answer.
 */
export type Answer =
  | { readonly kind: "ok"; readonly value: unknown }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "refused"; readonly status: number; readonly code: string; readonly unknown: boolean }
  | { readonly kind: "lost" };

/** The only refusals after which a mutation may be stored; their texts say so. */
const UNKNOWN = new Set(["CommitNotConfirmed", "TransactorUnavailable"]);

/** Longer than any bound of the backend on one call: what is not answered by then is a hang. */
const HANG_MS = 60_000;

/** Calls functions of one backend over plain HTTP. */
export class Caller {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(backend: Pick<TestBackend, "url">, headers: Readonly<Record<string, string>> = {}) {
    this.#url = backend.url.replace(/\/$/, "");
    this.#headers = headers;
  }

  post(path: string, body: unknown): Promise<Response> {
    return fetch(`${this.#url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...this.#headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(HANG_MS),
    });
  }

  async call(kind: "query" | "mutation" | "action", path: string, args: object): Promise<Answer> {
    let status: number;
    let text: string;
    try {
      const response = await this.post(`/api/${kind}`, { path, args, format: "json" });
      status = response.status;
      text = await response.text();
    } catch (error) {
      if (error instanceof Error && error.name === "TimeoutError") throw new Error(`${path} hangs`, { cause: error });
      return { kind: "lost" };
    }
    if (text === "") return { kind: "refused", status, code: "", unknown: true };
    const body = JSON.parse(text) as { status?: string; value?: unknown; errorMessage?: string; code?: string };
    if (body.status === "success") return { kind: "ok", value: body.value };
    if (body.status === "error") return { kind: "failed", message: body.errorMessage ?? "" };
    const code = body.code ?? "";
    return { kind: "refused", status, code, unknown: UNKNOWN.has(code) || status === 500 };
  }

  /** The value of a call that has to succeed. */
  async value<T>(kind: "query" | "mutation" | "action", path: string, args: object = {}): Promise<T> {
    const answer = await this.call(kind, path, args);
    if (answer.kind !== "ok") throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer.value as T;
  }

  /** `query_ts` in nanoseconds. */
  async latestTs(): Promise<bigint> {
    const response = await this.post("/api/query_ts", {});
    const { ts } = (await response.json()) as { ts: string };
    return Buffer.from(ts, "base64").readBigUInt64LE();
  }
}
