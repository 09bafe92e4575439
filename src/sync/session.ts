import type { Credentials } from "../auth/authorization.ts";
import { expiry } from "../auth/authorization.ts";
import type { FunctionOutcome } from "../protocol/execution.ts";
import { type Identity, isPrivileged, NO_IDENTITY } from "../protocol/identity.ts";
import {
  type Authenticate,
  type ClientMessage,
  type Connect,
  type Modification,
  type ModifyQuerySet,
  parseClientMessage,
  type RequestMessage,
  type ResultText,
  type ServerMessage,
  type StateVersion,
} from "../protocol/sync.ts";
import { decodeWireTimestamp } from "../protocol/wire-timestamp.ts";
import { errorMessage, logLineText } from "../runtime/functions/outcome-text.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Clock } from "../shared/clock.ts";
import { statedCredentials } from "./stated-credentials.ts";
import { type Closing, closingFor, INTERNAL_ERROR, rejectsCredentials, retryable } from "./closing.ts";

/** Mutations waiting or running, and actions running, of one socket (E-C-7b). */
const PENDING_MUTATIONS = 1000;
const INFLIGHT_ACTIONS = 1000;

/** Frames that wait behind a token that is being checked. Far more than any client has a use for. */
const WAITING_FRAMES = 4096;

const MICROSECONDS_PER_MS = 1000;

export interface SessionParts {
  readonly clock: Clock;
  readonly redactErrors: boolean;
  /** The request id of a mutation or action, which ties log lines to the client's own numbers. */
  readonly requestId: (sessionId: string | null, requestId: number) => string;
}

export interface SessionQuery {
  readonly queryId: number;
  readonly udfPath: string;
  /** ConvexJSON text of the positional arguments. */
  readonly args: string;
  readonly componentPath: string;
  /** As the client knows it from an earlier connection. */
  readonly journal: string | null;
}

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
  readonly queries: readonly SessionQuery[];
}

/** A query's result at the timestamp of an update. Equal fingerprints: nothing that a client sees has changed. */
export interface SessionResult {
  readonly queryId: number;
  readonly fingerprint: string;
  readonly text: ResultText;
}

/** What must outlive the memory of the object while the socket stays open. */
export interface SessionState {
  readonly sessionId: string | null;
  readonly firstConnection: boolean;
  readonly clockSkew: number | null;
  readonly identity: Identity;
  readonly received: { readonly querySet: number; readonly identity: number };
  readonly sent: StateVersion;
  readonly minTs: number;
  readonly queries: readonly (SessionQuery & { readonly sent: string | null })[];
}

const NOTHING: readonly SessionWork[] = [];

/**
 * One socket of the sync protocol as a state machine: frames and results in, frames and work out. It knows neither
 * sockets nor time, and computes nothing itself.
 *
 *     frame ─► receive ─► authenticate? ─► frames behind it wait ─► authenticated
 *                    ├──► mutate (one at a time, in order) ─► mutated ─► response, then an update
 *                    ├──► act (all at once) ─► acted ─► response, then an update
 *                    └──► query set ─► wantsUpdate ─► beginUpdate ─► finishUpdate ─► Transition
 *
 * `received` is what the client has said, `sent` what the last Transition ended with; the next one starts there.
 */
export class Session {
  readonly #parts: SessionParts;
  #sessionId: string | null = null;
  #firstConnection = false;
  #clockSkew: number | null = null;
  #identity: Identity = NO_IDENTITY;
  #received = { querySet: 0, identity: 0 };
  #sent: StateVersion = { querySet: 0, identity: 0, ts: 0 };
  /** By query id; `sent` = fingerprint of the last result on this socket. */
  readonly #queries = new Map<number, SessionQuery & { sent: string | null }>();
  /** Sent once, and not to be sent again. */
  #removed: number[] = [];
  /** No Transition may be older: what the client has been told or has seen before. */
  #minTs = 0;
  #wantsUpdate = false;
  #needsHead = false;
  #authenticating = false;
  #waiting: ClientMessage[] = [];
  readonly #mutations: SessionRequest[] = [];
  #mutating = false;
  #actions = 0;
  /** Responses that must not overtake the first Transition. */
  #held: ServerMessage[] = [];
  #closed = false;

  constructor(parts: SessionParts, state?: SessionState) {
    this.#parts = parts;
    if (state === undefined) return;
    this.#sessionId = state.sessionId;
    this.#firstConnection = state.firstConnection;
    this.#clockSkew = state.clockSkew;
    this.#identity = state.identity;
    this.#received = { ...state.received };
    this.#sent = state.sent;
    this.#minTs = state.minTs;
    for (const query of state.queries) this.#queries.set(query.queryId, { ...query });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Oldest timestamp that the next Transition may have. */
  get minTs(): number {
    return this.#minTs;
  }

  /** Whether something happened that a Transition has to tell. */
  get wantsUpdate(): boolean {
    return this.#wantsUpdate && !this.#closed;
  }

  /** Whether the next update has to see everything committed by now, as queries were added. */
  get needsHead(): boolean {
    return this.#needsHead;
  }

  /** Nothing is under way: all there is to know is in `state`. */
  get idle(): boolean {
    return (
      !this.#wantsUpdate &&
      !this.#authenticating &&
      !this.#mutating &&
      this.#mutations.length === 0 &&
      this.#actions === 0 &&
      this.#held.length === 0
    );
  }

  get state(): SessionState {
    return {
      sessionId: this.#sessionId,
      firstConnection: this.#firstConnection,
      clockSkew: this.#clockSkew,
      identity: this.#identity,
      received: { ...this.#received },
      sent: this.#sent,
      minTs: this.#minTs,
      queries: [...this.#queries.values()],
    };
  }

  get identity(): Identity {
    return this.#identity;
  }

  receive(text: string): readonly SessionWork[] {
    if (this.#closed) return NOTHING;
    const message = parseClientMessage(text);
    if (message === null) return this.#fatal("WSMessageInvalidJson: The message is not one of the sync protocol");
    if (!this.#authenticating) return this.#handle(message);
    if (this.#waiting.length >= WAITING_FRAMES) return this.#close(retryable("TooManyConcurrentRequests"));
    this.#waiting.push(message);
    return NOTHING;
  }

  /** Nothing that is under way gets an answer any more. */
  end(): void {
    this.#closed = true;
  }

  /** Something that a query depends on has changed. */
  invalidated(): void {
    this.#wantsUpdate = true;
  }

  authenticated(result: Settled<Identity>): readonly SessionWork[] {
    if (this.#closed) return NOTHING;
    this.#authenticating = false;
    if ("error" in result) {
      const { error } = result;
      if (!rejectsCredentials(error)) return this.#close(closingFor(error).closing);
      return this.#authError(error.message, true);
    }
    this.#setIdentity(result.value);
    const work: SessionWork[] = [];
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [index, message] of waiting.entries()) {
      work.push(...this.#handle(message));
      if (this.#closed) break;
      if (this.#authenticating) {
        this.#waiting = waiting.slice(index + 1);
        break;
      }
    }
    return work;
  }

  /** The mutation that was asked for last. */
  mutated(request: SessionRequest, result: Settled<FunctionOutcome>): readonly SessionWork[] {
    if (this.#closed) return NOTHING;
    this.#mutating = false;
    if ("error" in result && !isTold(result.error)) return this.#fail(result.error);
    const outcome = "error" in result ? refusal(result.error) : result.value;
    const ts = outcome.ok ? (outcome.ts ?? 0) : null;
    if (ts !== null) this.#minTs = Math.max(this.#minTs, ts);
    this.#wantsUpdate = true;
    return [...this.#respond(this.#response("MutationResponse", request, outcome, ts)), ...this.#nextMutation()];
  }

  acted(request: SessionRequest, result: Settled<FunctionOutcome>): readonly SessionWork[] {
    if (this.#closed) return NOTHING;
    this.#actions -= 1;
    const outcome = "error" in result ? refusal(result.error) : result.value;
    this.#wantsUpdate = true;
    return this.#respond(this.#response("ActionResponse", request, outcome));
  }

  /** Begins an update, which includes everything received so far. Null: the socket is being closed instead. */
  beginUpdate(): { readonly update: SessionUpdate | null; readonly work: readonly SessionWork[] } {
    const expired = this.#expired();
    if (expired !== null) return { update: null, work: expired };
    this.#wantsUpdate = false;
    this.#needsHead = false;
    const update: SessionUpdate = {
      querySet: this.#received.querySet,
      identityVersion: this.#received.identity,
      identity: this.#identity,
      queries: [...this.#queries.values()],
    };
    return { update, work: NOTHING };
  }

  /** `results` of the update's queries, all at `ts`. */
  finishUpdate(update: SessionUpdate, ts: number, results: readonly SessionResult[]): readonly SessionWork[] {
    if (this.#closed) return NOTHING;
    const modifications: Modification[] = [];
    for (const { queryId, fingerprint, text } of results) {
      const query = this.#queries.get(queryId);
      // Unsubscribed meanwhile.
      if (query === undefined || query.sent === fingerprint) continue;
      query.sent = fingerprint;
      modifications.push({ queryId, result: text });
    }
    for (const queryId of this.#removed) {
      if (!this.#queries.has(queryId)) modifications.push({ queryId, result: "removed" });
    }
    this.#removed = [];
    const startVersion = this.#sent;
    this.#sent = { querySet: update.querySet, identity: update.identityVersion, ts };
    const { clock } = this.#parts;
    const transition: ServerMessage = {
      type: "Transition",
      startVersion,
      endVersion: this.#sent,
      modifications: modifications.toSorted((a, b) => a.queryId - b.queryId),
      clientClockSkew: this.#clockSkew,
      serverTime: clock.now(),
    };
    const held = this.#held;
    this.#held = [];
    // What was held back is told after the Transition, so another one has to follow.
    if (held.length > 0) this.#wantsUpdate = true;
    return [transition, ...held].map((message) => ({ kind: "send", message }));
  }

  /** The update could not be computed. */
  updateFailed(error: unknown): readonly SessionWork[] {
    return this.#closed ? NOTHING : this.#fail(error);
  }

  #handle(message: ClientMessage): readonly SessionWork[] {
    switch (message.type) {
      case "Connect":
        return this.#connect(message);
      case "ModifyQuerySet":
        return this.#modifyQuerySet(message);
      case "Authenticate":
        return this.#authenticate(message);
      case "Mutation":
      case "Action":
        return this.#request(message);
      case "Event":
        return NOTHING;
      default:
        return message satisfies never;
    }
  }

  #connect({ sessionId, connectionCount, maxObservedTimestamp, clientTs }: Connect): readonly SessionWork[] {
    this.#sessionId = sessionId;
    this.#firstConnection = connectionCount === 0;
    if (typeof clientTs === "number") {
      this.#clockSkew = Math.trunc(clientTs) - Math.trunc(this.#parts.clock.now());
    }
    if (typeof maxObservedTimestamp === "string") {
      const observed = decodeWireTimestamp(maxObservedTimestamp);
      if (observed === null) return this.#fatal("WSMessageInvalidJson: maxObservedTimestamp is not a timestamp");
      // An update never begins before the database is there; that it will never be is noticed by whoever reads the head.
      this.#minTs = Math.max(this.#minTs, observed);
      // No clock says so, so somebody looks, even for a client that asks for nothing.
      if (observed > this.#parts.clock.now() * MICROSECONDS_PER_MS) {
        this.#needsHead = true;
        this.#wantsUpdate = true;
      }
    }
    return NOTHING;
  }

  #modifyQuerySet({ baseVersion, newVersion, modifications }: ModifyQuerySet): readonly SessionWork[] {
    // A race inside npm clients: they come back with their whole query set, where a FatalError would end the page.
    if (baseVersion !== this.#received.querySet) return this.#close(retryable("BaseVersionMismatch"));
    if (newVersion <= baseVersion) return this.#close(INTERNAL_ERROR);
    for (const modification of modifications) {
      const { queryId } = modification;
      const present = this.#queries.get(queryId);
      if (modification.type === "Add") {
        if (present !== undefined) return this.#close(INTERNAL_ERROR);
        const componentPath = modification.componentPath ?? "";
        if (!this.#mayName(componentPath)) return this.#close(INTERNAL_ERROR);
        this.#queries.set(queryId, {
          queryId,
          udfPath: modification.udfPath,
          args: argumentsText(modification.args ?? [null]),
          componentPath,
          journal: modification.journal ?? null,
          sent: null,
        });
        this.#needsHead = true;
      } else {
        if (present === undefined) return this.#close(INTERNAL_ERROR);
        this.#queries.delete(queryId);
        if (present.sent !== null) this.#removed.push(queryId);
      }
    }
    this.#received.querySet = newVersion;
    this.#wantsUpdate = true;
    return NOTHING;
  }

  #authenticate(message: Authenticate): readonly SessionWork[] {
    if (message.baseVersion !== this.#received.identity) return this.#close(retryable("BaseVersionMismatch"));
    const credentials = statedCredentials(message);
    if (credentials === null) return this.#fatal("WSMessageInvalidJson: The identity to act as is not one");
    if (credentials.kind === "none") {
      this.#setIdentity(NO_IDENTITY);
      return NOTHING;
    }
    this.#authenticating = true;
    return [{ kind: "authenticate", credentials }];
  }

  #setIdentity(identity: Identity): void {
    this.#identity = identity;
    this.#received.identity += 1;
    this.#wantsUpdate = true;
  }

  #request(message: RequestMessage): readonly SessionWork[] {
    const expired = this.#expired();
    if (expired !== null) return expired;
    const componentPath = message.componentPath ?? "";
    if (!this.#mayName(componentPath)) return this.#close(INTERNAL_ERROR);
    const request: SessionRequest = {
      requestId: message.requestId,
      udfPath: message.udfPath,
      args: argumentsText(message.args),
      componentPath,
      identity: this.#identity,
      contextId: this.#parts.requestId(this.#sessionId, message.requestId),
      sessionId: this.#sessionId,
      firstConnection: this.#firstConnection,
    };
    if (message.type === "Action") {
      if (message.udfPath.startsWith("_system/") && !isPrivileged(this.#identity)) {
        const text = "System functions can only be called with an admin key";
        return this.#fail(new CodedError("Forbidden", "SystemIdentityRequired", text));
      }
      if (this.#actions >= INFLIGHT_ACTIONS) return this.#close(TOO_MANY_ACTIONS);
      this.#actions += 1;
      return [{ kind: "act", request }];
    }
    if (this.#mutations.length + (this.#mutating ? 1 : 0) >= PENDING_MUTATIONS) {
      return this.#close(TOO_MANY_MUTATIONS);
    }
    this.#mutations.push(request);
    return this.#nextMutation();
  }

  #nextMutation(): readonly SessionWork[] {
    if (this.#mutating) return NOTHING;
    const request = this.#mutations.shift();
    if (request === undefined) return NOTHING;
    this.#mutating = true;
    return [{ kind: "mutate", request }];
  }

  /** Components other than the app are for admins. */
  #mayName(componentPath: string): boolean {
    return componentPath === "" || isPrivileged(this.#identity);
  }

  #response(
    type: "MutationResponse" | "ActionResponse",
    { requestId, contextId, identity }: SessionRequest,
    outcome: FunctionOutcome,
    ts?: number | null,
  ): ServerMessage {
    const redact = this.#parts.redactErrors && !isPrivileged(identity);
    const { data, message } = outcome.ok ? { data: undefined, message: "" } : outcome.error;
    return {
      type,
      requestId,
      result: outcome.ok
        ? { ok: true, value: outcome.value }
        : {
            ok: false,
            message: errorMessage(message, { requestId: contextId, redact }),
            ...(data === undefined ? {} : { data }),
          },
      logLines: redact ? [] : outcome.logLines.map(logLineText),
      ...(ts === undefined ? {} : { ts }),
    };
  }

  /**
   * A failure that overtakes the first Transition after a reconnect makes npm clients show every query as loading,
   * so until then it waits, and everything behind it, as responses stay in order.
   */
  #respond(message: ServerMessage): readonly SessionWork[] {
    const failed = "result" in message && !message.result.ok;
    const early = this.#sent.querySet === 0 && this.#received.querySet > 0;
    if (this.#held.length > 0 || (early && failed)) {
      this.#held.push(message);
      return NOTHING;
    }
    return [{ kind: "send", message }];
  }

  /** There is no timer: whoever wants something with an expired token is told (`wire.md` §3.10). */
  #expired(): readonly SessionWork[] | null {
    const error = expiry(this.#identity, this.#parts.clock.now());
    return error === null ? null : this.#authError(error.message, false);
  }

  #authError(error: string, authUpdateAttempted: boolean): readonly SessionWork[] {
    const message: ServerMessage = {
      type: "AuthError",
      error,
      baseVersion: this.#sent.identity,
      authUpdateAttempted,
    };
    return [{ kind: "send", message }, ...this.#close({ code: null, reason: "" })];
  }

  #fail(error: unknown): readonly SessionWork[] {
    const { fatal, closing } = closingFor(error);
    return fatal === null ? this.#close(closing) : this.#fatal(fatal, closing);
  }

  #fatal(error: string, closing: Closing = { code: null, reason: "" }): readonly SessionWork[] {
    return [{ kind: "send", message: { type: "FatalError", error } }, ...this.#close(closing)];
  }

  #close(closing: Closing): readonly SessionWork[] {
    this.#closed = true;
    return [{ kind: "close", closing }];
  }
}

const TOO_MANY_MUTATIONS = retryable(
  "TooManyConcurrentMutations: Too many concurrent mutations. Only up to 1000 pending mutations allowed on a single websocket.",
);
const TOO_MANY_ACTIONS = retryable(
  "TooManyInflightActionsForSingleClient: Inflight actions overloaded for a single client, max concurrency: 1000",
);

/** ConvexJSON of the one float that plain JSON text loses: `JSON.stringify(-0)` is `0`. */
const NEGATIVE_ZERO = { $float: "AAAAAAAAAIA=" };

function argumentsText(args: readonly unknown[]): string {
  return JSON.stringify(args, (_, value: unknown) => (Object.is(value, -0) ? NEGATIVE_ZERO : value));
}

/**
 * Errors of a mutation's call that are the answer to it: the path is malformed, the key may not write. Everything
 * else is about the backend, and the client sends the mutation again on its next connection.
 */
function isTold(error: unknown): boolean {
  return error instanceof CodedError && error.catchable;
}

function refusal(error: unknown): FunctionOutcome {
  const message = error instanceof CodedError ? error.message : "Your request couldn't be completed. Try again later.";
  const data = error instanceof CodedError ? error.data : undefined;
  return { ok: false, error: data === undefined ? { message } : { message, data }, logLines: [] };
}
