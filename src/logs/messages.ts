import { z } from "zod";
import type { LogRecord, LogRequest } from "../protocol/function-log.ts";

/** Shapes that cross RPC carry a version: old objects meet new Workers. */
export interface AppendRequest {
  readonly v: 1;
  readonly records: readonly LogRecord[];
}

export type ReadRequest = LogRequest & { readonly v: 1 };

/** The RPC surface of `LogsObject`. Requests and answers are JSON text. */
export interface LogsStub {
  /** An `AppendRequest`. */
  append(requestJson: string): Promise<void>;
  /** A `ReadRequest`; the answer is a `LogBatch`. */
  read(requestJson: string): Promise<string>;
}

const VERSIONED = z.looseObject({ v: z.literal(1) });

/** Requests come from our own Workers, perhaps of another version, so the version is what is checked at the door. */
export function parseAppend(text: string): AppendRequest {
  return VERSIONED.parse(JSON.parse(text)) as unknown as AppendRequest;
}

export function parseRead(text: string): ReadRequest {
  return VERSIONED.parse(JSON.parse(text)) as unknown as ReadRequest;
}
