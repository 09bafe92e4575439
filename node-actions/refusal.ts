import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { NodeServiceError } from "../src/protocol/node-actions.ts";

/** A request that is answered without running anything. `message` is for the developer. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: ContentfulStatusCode;
  readonly code: string;
  /** Another attempt may succeed. */
  readonly retryable: boolean;

  constructor(
    status: ContentfulStatusCode,
    code: string,
    message: string,
    options: { readonly retryable?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.retryable = options.retryable ?? false;
  }

  get body(): NodeServiceError {
    return { code: this.code, message: this.message, retryable: this.retryable };
  }
}
