/**
 * How a failure is classed (`wire.md` §2.6). The class decides HTTP status, socket close code and whether
 * user code may catch it; the code is the short machine tag beside the message.
 */
export type ErrorClass =
  | "BadRequest"
  | "PaginationLimit"
  | "Unauthenticated"
  | "AuthUpdateFailed"
  | "Forbidden"
  | "NotFound"
  | "ClientDisconnect"
  | "Conflict"
  | "RateLimited"
  | "OCC"
  | "OutOfRetention"
  | "Overloaded"
  | "RejectedBeforeExecution"
  | "FeatureTemporarilyUnavailable";

/** Classes that may be thrown into user code, where a `catch` sees them (`abi.md` §2.1.4). */
const CATCHABLE: ReadonlySet<ErrorClass> = new Set<ErrorClass>([
  "BadRequest",
  "NotFound",
  "Conflict",
  "PaginationLimit",
  "Unauthenticated",
  "AuthUpdateFailed",
  "Forbidden",
]);

/** Classes after which the same request may be sent again. */
const RETRYABLE: ReadonlySet<ErrorClass> = new Set<ErrorClass>([
  "RateLimited",
  "OCC",
  "OutOfRetention",
  "Overloaded",
  "RejectedBeforeExecution",
  "FeatureTemporarilyUnavailable",
]);

/**
 * A failure with a text that is part of the contract with the developer: the message reaches callers unchanged
 * in development. Everything that is not a `CodedError` is a bug of ours.
 */
export class CodedError extends Error {
  readonly errorClass: ErrorClass;
  readonly code: string;
  /** ConvexJSON text of `errorData`, for the few system errors that clients read as a `ConvexError`. */
  readonly data: string | undefined;

  constructor(errorClass: ErrorClass, code: string, message: string, options?: { data?: string; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CodedError";
    this.errorClass = errorClass;
    this.code = code;
    this.data = options?.data;
  }

  get catchable(): boolean {
    return CATCHABLE.has(this.errorClass);
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.errorClass);
  }
}

export function badRequest(code: string, message: string): CodedError {
  return new CodedError("BadRequest", code, message);
}

/** What does not exist yet says so, and never pretends. `docs/compatibility.md` lists the rows. */
export function notAvailableYet(feature: string): CodedError {
  return new CodedError("BadRequest", "NotAvailableYet", `${feature} is not available yet in Convection.`);
}
