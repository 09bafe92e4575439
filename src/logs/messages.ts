import { z } from "zod";
import type { AuditEvent, LogRecord, LogRequest } from "../protocol/function-log.ts";

/**
 * Shapes that cross RPC carry a version: old objects meet new Workers. An append is two lines, this and an
 * `AppendRecords`, so that records nobody asks for are never parsed.
 */
export interface AppendRequest {
  readonly v: 1;
  readonly records: number;
  /** How many of them are completions. */
  readonly completions: number;
}

/** The second line. A Worker from before the lines sends it alone. */
export interface AppendRecords {
  readonly v: 1;
  readonly records: readonly LogRecord[];
}

export interface AuditRequest {
  readonly v: 1;
  readonly events: readonly AuditEvent[];
}

export type ReadRequest = LogRequest & { readonly v: 1 };

/** The RPC surface of `LogsObject`. Requests and answers are JSON text. */
export interface LogsStub {
  /** What `appendText` makes. */
  append(requestJson: string): Promise<void>;
  /** A `ReadRequest`; the answer is a `LogBatch`. */
  read(requestJson: string): Promise<string>;
  /** An `AuditRequest`, for the log streams alone. */
  audit(requestJson: string): Promise<void>;
}

const VERSIONED = z.looseObject({ v: z.literal(1) });

/** Requests come from our own Workers, perhaps of another version, so the version is what is checked at the door. */
export function appendText(records: readonly LogRecord[]): string {
  const completions = records.filter(({ kind }) => kind === "Completion").length;
  const request: AppendRequest = { v: 1, records: records.length, completions };
  const body: AppendRecords = { v: 1, records };
  return `${JSON.stringify(request)}\n${JSON.stringify(body)}`;
}

/** Records whose text may never be looked at. */
export interface AppendedText {
  readonly records: number;
  readonly completions: number;
  readonly text: string;
}

export function parseAppend(text: string): AppendedText {
  const end = text.indexOf("\n");
  if (end === -1) return parseAppend(appendText(parseRecords(text)));
  const head = VERSIONED.parse(JSON.parse(text.slice(0, end))) as unknown as AppendRequest;
  return { records: head.records, completions: head.completions, text: text.slice(end + 1) };
}

export function parseRecords(text: string): readonly LogRecord[] {
  return (VERSIONED.parse(JSON.parse(text)) as unknown as AppendRecords).records;
}

export function parseAudit(text: string): AuditRequest {
  return VERSIONED.parse(JSON.parse(text)) as unknown as AuditRequest;
}

export function parseRead(text: string): ReadRequest {
  return VERSIONED.parse(JSON.parse(text)) as unknown as ReadRequest;
}
