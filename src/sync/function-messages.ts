import type { Credentials } from "../auth/authorization.ts";
import type { FunctionCall, FunctionOutcome } from "../protocol/execution.ts";
import { parseVersioned } from "../protocol/sync-calls.ts";
import type { ExecutedQuery } from "./ports.ts";
import type { Reads } from "./subscribed-query.ts";

/** What a Sync object asks of the Worker that runs functions for it. Answered with an RPC answer, as JSON text. */
export interface QueryRequest {
  readonly v: 1;
  readonly call: FunctionCall;
  readonly at: number;
  readonly journal: string | null;
}

export interface ActionRequest {
  readonly v: 1;
  readonly call: FunctionCall;
}

export interface AuthenticateRequest {
  readonly v: 1;
  readonly credentials: Credentials;
}

/** The RPC surface of the entrypoint. */
export interface SyncWorkStub {
  runQuery(requestJson: string): Promise<string>;
  runAction(requestJson: string): Promise<string>;
  authenticate(requestJson: string): Promise<string>;
}

interface QueryAnswer {
  readonly v: 1;
  readonly outcome: FunctionOutcome;
  readonly reads: Reads;
  readonly readsIdentity: boolean;
}

/** JSON text for `encodeRpcValue`. */
export function encodeExecutedQuery({ outcome, reads, readsIdentity }: ExecutedQuery): string {
  return JSON.stringify({ v: 1, outcome, reads, readsIdentity } satisfies QueryAnswer);
}

export function parseRequest<Shape extends { readonly v: 1 }>(text: string): Shape {
  return parseVersioned<Shape>(text);
}
