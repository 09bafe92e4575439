import type { Credentials } from "../auth/authorization.ts";
import type { Identity } from "../protocol/identity.ts";
import type { ServerMessage } from "../protocol/sync.ts";
import type { Closing } from "./closing.ts";
import type { SentQuery } from "./query-set.ts";

export interface SessionRequest {
  readonly requestId: number;
  readonly udfPath: string;
  readonly args: string;
  readonly componentPath: string;
  /** Whoever called when the message came in, not when it runs. */
  readonly identity: Identity;
  readonly contextId: string;
  /** Absent: a client that never said who it is may run things twice. */
  readonly sessionId: string | null;
  /** True: the client never had another connection, so it can't have sent this before. */
  readonly firstConnection: boolean;
}

/** What a session asks of whoever owns the socket. Frames go out in this order. */
export type SessionWork =
  | { readonly kind: "send"; readonly message: ServerMessage }
  | { readonly kind: "close"; readonly closing: Closing }
  | { readonly kind: "authenticate"; readonly credentials: Credentials }
  /** At most one at a time; the next one comes when this one is reported back. */
  | { readonly kind: "mutate"; readonly request: SessionRequest }
  | { readonly kind: "act"; readonly request: SessionRequest };

/** What came of an attempt: its result, or the error that kept it from having one. */
export type Settled<T> = { readonly value: T } | { readonly error: unknown };

/** One update: every query is to be brought to one timestamp, under this identity. */
export interface SessionUpdate {
  readonly querySet: number;
  readonly identityVersion: number;
  readonly identity: Identity;
  readonly queries: readonly SentQuery[];
}
