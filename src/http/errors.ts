import type { ErrorBody } from "../protocol/http-bodies.ts";
import { CodedError, type ErrorClass } from "../shared/coded-error.ts";
import type { Log } from "../shared/log.ts";

/** `wire.md` §2.6. */
const STATUS = {
  BadRequest: 400,
  PaginationLimit: 400,
  Unauthenticated: 401,
  AuthUpdateFailed: 401,
  Forbidden: 403,
  NotFound: 404,
  ClientDisconnect: 408,
  Conflict: 409,
  RateLimited: 429,
  OCC: 503,
  OutOfRetention: 503,
  Overloaded: 503,
  RejectedBeforeExecution: 503,
  FeatureTemporarilyUnavailable: 503,
} as const satisfies Record<ErrorClass, number>;

export interface ErrorResponse {
  readonly status: (typeof STATUS)[ErrorClass] | 500;
  /** Null: an empty body. */
  readonly body: ErrorBody | null;
}

/** The only place where an error becomes a response. */
export function errorResponse(error: unknown, log: Log, requestId: string): ErrorResponse {
  if (!(error instanceof CodedError)) {
    log.error("http.request_failed", error, { requestId });
    return {
      status: 500,
      body: { code: "InternalServerError", message: "Your request couldn't be completed. Try again later." },
    };
  }
  const status = STATUS[error.errorClass];
  if (status === 503) log.warn("http.request_refused", { requestId, code: error.code, reason: error.message });
  if (error.code === "" && error.message === "") return { status, body: null };
  return { status, body: { code: error.code, message: error.message } };
}
