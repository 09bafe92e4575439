import type { Value } from "convex/values";
import { convexToJson, jsonToConvex } from "convex/values";
import { join } from "node:path";
import { startBackend, type StartOptions, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";

/** What `JSON.parse` gives: tests compare it with what they expect. */
export type Json = ReturnType<typeof JSON.parse>;

export type Kind = "query" | "mutation" | "action" | "function" | "query_at_ts";

export interface Answer {
  readonly http: number;
  readonly status?: "success" | "error";
  readonly value?: Json;
  /** Without the line of the request id. */
  readonly error?: string;
  readonly errorData?: Json;
  readonly logLines: readonly string[];
  readonly requestId?: string;
  /** Of an answer that is no function result. */
  readonly code?: string;
  readonly message?: string;
}

const REQUEST_LINE = /^\[Request ID: ([0-9a-f]{16})\] Server Error\n?/;

/** Calls over the HTTP API, with arguments and results as `convex/values` has them. */
export class Api {
  readonly backend: Pick<TestBackend, "url" | "adminKey">;

  constructor(backend: Pick<TestBackend, "url" | "adminKey">) {
    this.backend = backend;
  }

  async call(
    kind: Kind,
    path: string,
    args: Value = {},
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    return this.post(kind, { path, args: convexToJson(args), format: "convex_encoded_json" }, headers, signal);
  }

  async post(kind: Kind, body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Answer> {
    const response = await fetch(`${this.backend.url}/api/${kind}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    const { errorMessage, value, errorData, logLines = [], ...rest }: Json = await response.json();
    const requestId = REQUEST_LINE.exec(errorMessage ?? "")?.[1];
    return {
      http: response.status,
      ...rest,
      ...(value === undefined ? {} : { value: jsonToConvex(value) }),
      ...(errorData === undefined ? {} : { errorData: jsonToConvex(errorData) }),
      ...(errorMessage === undefined ? {} : { error: errorMessage.replace(REQUEST_LINE, "") }),
      ...(requestId === undefined ? {} : { requestId }),
      logLines,
    };
  }

  /** The value, or an assertion that shows the error. */
  async value(kind: Kind, path: string, args: Value = {}): Promise<Json> {
    const answer = await this.call(kind, path, args);
    if (answer.status !== "success") throw new Error(`${path} failed: ${answer.error ?? JSON.stringify(answer)}`);
    return answer.value;
  }

  async error(kind: Kind, path: string, args: Value = {}): Promise<string> {
    const answer = await this.call(kind, path, args);
    if (answer.error === undefined) throw new Error(`${path} did not fail: ${JSON.stringify(answer)}`);
    return answer.error;
  }

  asAdmin(key = this.backend.adminKey): Record<string, string> {
    return { authorization: `Convex ${key}` };
  }
}

/** The fixture app of this folder on a backend of its own. */
export async function startRuntimeApp(options: Omit<StartOptions, "app"> = {}): Promise<TestBackend> {
  using app = new AppCopy(join(FIXTURES, "runtime-app"));
  return await startBackend({ ...options, app: app.path });
}

/** A test's own rows. */
let groups = 0;
export function newGroup(): string {
  return `group ${++groups}`;
}
