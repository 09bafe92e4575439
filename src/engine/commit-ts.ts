import { encodeInt64 } from "../values/special-value.ts";
import { nanoseconds, type Timestamp } from "./timestamp.ts";
import type { DocumentWrite, WriteSet } from "./write-set.ts";

/** In ConvexJSON text this can only be the placeholder itself: quotes inside strings are escaped. */
const PLACEHOLDER = '{"$commitTs":null}';

/** Puts the commit timestamp, in nanoseconds, wherever the text of a value has the placeholder (`abi.md` §3.3). */
export function resolveCommitTsText(json: string, ts: Timestamp): string {
  if (!json.includes(PLACEHOLDER)) return json;
  return json.replaceAll(PLACEHOLDER, JSON.stringify(encodeInt64(nanoseconds(ts))));
}

/** The write set as it is stored. Sizes stay: the placeholder counts like the int64 it becomes. */
export function resolveCommitTs(writes: WriteSet, ts: Timestamp): WriteSet {
  return { ...writes, documents: writes.documents.map((write) => resolveWrite(write, ts)) };
}

function resolveWrite(write: DocumentWrite, ts: Timestamp): DocumentWrite {
  if (write.after?.hasCommitTs !== true) return write;
  const json = resolveCommitTsText(write.after.json, ts);
  return { ...write, after: { ...write.after, json, value: JSON.parse(json), hasCommitTs: false } };
}
