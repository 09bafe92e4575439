import { expiry } from "../auth/authorization.ts";
import type { FunctionOutcome } from "../protocol/execution.ts";
import { type Identity, isPrivileged, NO_IDENTITY } from "../protocol/identity.ts";
import {
  type Authenticate,
  type ClientMessage,
  type Connect,
  type ModifyQuerySet,
  parseClientMessage,
  type RequestMessage,
  type ServerMessage,
} from "../protocol/sync.ts";
import { decodeWireTimestamp } from "../protocol/wire-timestamp.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Clock } from "../shared/clock.ts";
import { argumentsText } from "./arguments-text.ts";
import { type Closing, closingFor, INTERNAL_ERROR, rejectsCredentials, retryable } from "./closing.ts";
import { PendingRequests } from "./pending-requests.ts";
import { QuerySet, type SessionResult } from "./query-set.ts";
import { actionResponse, isTold, mutationResponse, outcomeOf } from "./responses.ts";
import type { SessionRequest, SessionUpdate, SessionWork, Settled } from "./session-work.ts";
import type { SessionState } from "./snapshot.ts";
import { statedCredentials } from "./stated-credentials.ts";
import { type LinePosition, TransitionLine } from "./transition-line.ts";

/** Frames that wait behind a token that is being checked. Far more than any client has a use for. */
const WAITING_FRAMES = 4096;

const MICROSECONDS_PER_MS = 1000;

export interface SessionParts {
  readonly clock: Clock;
  readonly redactErrors: boolean;
  /** The request id of a mutation or action, which ties log lines to the client's own numbers. */
  readonly requestId: (sessionId: string | null, requestId: number) => string;
}

const NOTHING: readonly SessionWork[] = [];

const AT_ZERO: LinePosition = { sent: { querySet: 0, identity: 0, ts: 0 }, minTs: 0 };

/**
 * One socket of the sync protocol as a state machine: frames and results in, frames and work out. It knows neither
 * sockets nor time, and computes nothing itself.
 *
 *     frame ─► receive ─► authenticate? ─► frames behind it wait ─► authenticated
 *                    ├──► mutate (one at a time, in order) ─► mutated ─► response, then an update
 *                    ├──► act (all at once) ─► acted ─► response, then an update
 *                    └──► query set ─► wantsUpdate ─► beginUpdate ─► finishUpdate ─► Transition
 *
 * `received` is what the client has said; what it was told is in its line of Transitions.
 */
export class Session {
  readonly #parts: SessionParts;
  #sessionId: string | null = null;
  #firstConnection = false;
  #clockSkew: number | null = null;
  #identity: Identity = NO_IDENTITY;
  #received = { querySet: 0, identity: 0 };
  readonly #queries: QuerySet;
  readonly #line: TransitionLine;
  #authenticating = false;
  #waiting: ClientMessage[] = [];
  readonly #pending = new PendingRequests();
  #closed = false;

  constructor(parts: SessionParts, state?: SessionState) {
    this.#parts = parts;
    this.#queries = new QuerySet(state?.queries ?? []);
    this.#line = new TransitionLine(state ?? AT_ZERO);
    if (state === undefined) return;
    this.#sessionId = state.sessionId;
    this.#firstConnection = state.firstConnection;
    this.#clockSkew = state.clockSkew;
    this.#identity = state.identity;
    this.#received = { ...state.received };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Oldest timestamp that the next Transition may have. */
  get minTs(): number {
    return this.#line.position.minTs;
  }

  /** Whether something happened that a Transition has to tell. */
  get wantsUpdate(): boolean {
    return this.#line.wanted && !this.#closed;
  }

  /** Whether the next update has to see everything committed by now, as queries were added. */
  get needsHead(): boolean {
    return this.#line.needsHead;
  }

  /** Nothing is under way: all there is to know is in `state`. */
  get idle(): boolean {
    return this.#line.idle && !this.#authenticating && this.#pending.none;
  }

  get state(): SessionState {
    return {
      sessionId: this.#sessionId,
      firstConnection: this.#firstConnection,
      clockSkew: this.#clockSkew,
      identity: this.#identity,
      received: { ...this.#received },
      ...this.#line.position,
      queries: this.#queries.all,
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
    this.#line.want();
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
    this.#pending.mutated();
    if ("error" in result && !isTold(result.error)) return this.#fail(result.error);
    const outcome = outcomeOf(result);
    const ts = outcome.ok ? (outcome.ts ?? 0) : null;
    if (ts !== null) this.#line.observed(ts);
    this.#line.want();
    const response = mutationResponse(request, outcome, ts, this.#parts.redactErrors);
    return [...this.#respond(response), ...this.#nextMutation()];
  }

  acted(request: SessionRequest, result: Settled<FunctionOutcome>): readonly SessionWork[] {
    if (this.#closed) return NOTHING;
    this.#pending.acted();
    this.#line.want();
    return this.#respond(actionResponse(request, outcomeOf(result), this.#parts.redactErrors));
  }

  /** Begins an update, which includes everything received so far. Null: the socket is being closed instead. */
  beginUpdate(): { readonly update: SessionUpdate | null; readonly work: readonly SessionWork[] } {
    const expired = this.#expired();
    if (expired !== null) return { update: null, work: expired };
    this.#line.begun();
    const update: SessionUpdate = {
      querySet: this.#received.querySet,
      identityVersion: this.#received.identity,
      identity: this.#identity,
      queries: this.#queries.all,
    };
    return { update, work: NOTHING };
  }

  /** `results` of the update's queries, all at `ts`. */
  finishUpdate(update: SessionUpdate, ts: number, results: readonly SessionResult[]): readonly SessionWork[] {
    if (this.#closed) return NOTHING;
    const endVersion = { querySet: update.querySet, identity: update.identityVersion, ts };
    const times = { clientClockSkew: this.#clockSkew, serverTime: this.#parts.clock.now() };
    return sending(this.#line.advance(endVersion, this.#queries.send(results), times));
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
      this.#line.observed(observed);
      // No clock says so, so somebody looks, even for a client that asks for nothing.
      if (observed > this.#parts.clock.now() * MICROSECONDS_PER_MS) this.#line.wantHead();
    }
    return NOTHING;
  }

  #modifyQuerySet({ baseVersion, newVersion, modifications }: ModifyQuerySet): readonly SessionWork[] {
    // A race inside npm clients: they come back with their whole query set, where a FatalError would end the page.
    if (baseVersion !== this.#received.querySet) return this.#close(retryable("BaseVersionMismatch"));
    if (newVersion <= baseVersion) return this.#close(INTERNAL_ERROR);
    if (!this.#queries.modify(modifications, (path) => this.#mayName(path))) return this.#close(INTERNAL_ERROR);
    this.#received.querySet = newVersion;
    if (modifications.some(({ type }) => type === "Add")) this.#line.wantHead();
    else this.#line.want();
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
    this.#line.want();
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
      const refused = this.#pending.addAction();
      return refused === null ? [{ kind: "act", request }] : this.#close(refused);
    }
    const refused = this.#pending.addMutation(request);
    return refused === null ? this.#nextMutation() : this.#close(refused);
  }

  #nextMutation(): readonly SessionWork[] {
    const request = this.#pending.nextMutation();
    return request === null ? NOTHING : [{ kind: "mutate", request }];
  }

  /** Components other than the app are for admins. */
  #mayName(componentPath: string): boolean {
    return componentPath === "" || isPrivileged(this.#identity);
  }

  #respond(message: ServerMessage): readonly SessionWork[] {
    return sending(this.#line.respond(message, this.#received.querySet > 0));
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
      baseVersion: this.#line.position.sent.identity,
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

function sending(messages: readonly ServerMessage[]): readonly SessionWork[] {
  return messages.map((message) => ({ kind: "send", message }));
}
