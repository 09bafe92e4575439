import { CodedError, type ErrorClass } from "../shared/coded-error.ts";

/** How a socket ends. No code: the client sees 1005 and comes back without a word in its console. */
export interface Closing {
  readonly code: number | null;
  /** At most 123 bytes. Its beginning decides how long npm clients wait before they come back (`wire.md` §3.13). */
  readonly reason: string;
}

const INTERNAL: Closing = { code: 1011, reason: "InternalServerError" };
const RETRY_LATER = 1013;

export function retryable(reason: string): Closing {
  return { code: RETRY_LATER, reason };
}

export const INTERNAL_ERROR = INTERNAL;

/** The object lost what it knew about the socket: versions are never guessed. */
export const STATE_LOST: Closing = { code: 1012, reason: "ServiceRestart" };

/** A client that does not read what it is sent. */
export const TOO_SLOW = retryable("SlowReader");

/** Deterministic mistakes of the client are told by a frame that ends it for good; everything else may be retried. */
const FATAL: ReadonlySet<ErrorClass> = new Set<ErrorClass>(["BadRequest", "PaginationLimit", "Forbidden", "Conflict"]);

/** Classes after which the rejected credentials are told to the client, which may fetch others (`wire.md` §3.10). */
const AUTHENTICATION: ReadonlySet<ErrorClass> = new Set<ErrorClass>([
  "Unauthenticated",
  "AuthUpdateFailed",
  "Forbidden",
  "BadRequest",
  "NotFound",
  "Conflict",
]);

/** Whether a frame goes before the close (`wire.md` §2.6, §3.11). */
export function closingFor(error: unknown): { readonly fatal: string | null; readonly closing: Closing } {
  if (!(error instanceof CodedError)) return { fatal: null, closing: INTERNAL };
  const { errorClass, code, message } = error;
  if (FATAL.has(errorClass)) {
    const quiet = errorClass === "BadRequest" || errorClass === "Conflict";
    return { fatal: `${code}: ${message}`, closing: { code: quiet ? null : 1000, reason: "" } };
  }
  if (error.retryable) return { fatal: null, closing: retryable(code) };
  return { fatal: null, closing: { code: 1000, reason: code } };
}

export function rejectsCredentials(error: unknown): error is CodedError {
  return error instanceof CodedError && AUTHENTICATION.has(error.errorClass);
}
