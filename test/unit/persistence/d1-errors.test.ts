import { expect, test } from "vitest";
import { FencedError, UnknownOutcomeError } from "../../../src/engine/persistence.ts";
import type { CommitBatch } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { commitFailure } from "../../../src/persistence/d1/errors.ts";
import { ManualTimers } from "../../support/manual-timers.ts";

test("CER1 a failed constraint on the head means another writer", () => {
  const cause = new Error("D1_ERROR: NOT NULL constraint failed: head.ts: SQLITE_CONSTRAINT (extended: …_NOTNULL)");
  expect(commitFailure(cause)).toBeInstanceOf(FencedError);
  expect(commitFailure(cause)).toMatchObject({ cause });
});

test.each([
  "D1_ERROR: Network connection lost.",
  "D1_ERROR: D1 DB reset because its code was updated.",
  "D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.",
  "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
  "D1_ERROR: Cannot resolve D1 DB due to transient issue on remote node.",
  "D1_ERROR: Can't read from request stream because client disconnected.",
  "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
  "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
  "D1_ERROR: database is locked: SQLITE_BUSY",
  "D1_ERROR: disk I/O error: SQLITE_IOERR",
  "some text nobody has seen before",
])("CER2 after anything ambiguous the outcome of a commit is unknown: %s", (message) => {
  expect(commitFailure(new Error(message))).toBeInstanceOf(UnknownOutcomeError);
});

test.each([
  "D1_ERROR: UNIQUE constraint failed: outcomes.session_id, outcomes.request_id: SQLITE_CONSTRAINT",
  "D1_ERROR: NOT NULL constraint failed: documents.id: SQLITE_CONSTRAINT",
  "D1_ERROR: malformed JSON: SQLITE_ERROR",
  "D1_ERROR: database or disk is full: SQLITE_FULL",
  "D1_ERROR: no such table: documents: SQLITE_ERROR",
])("CER3 a statement that SQLite refused is not retried as if unknown: %s", (message) => {
  const error = new Error(message);
  expect(commitFailure(error)).toBe(error);
});

test("CER4 a commit that D1 never answers is unknown after its time-out", async () => {
  const timers = new ManualTimers();
  const statement = { bind: () => statement };
  const db = { prepare: () => statement, batch: () => new Promise(() => undefined) } as unknown as D1Database;
  const persistence = new D1Persistence(db, { timers, commitTimeoutMs: 5_000 });
  const batch: CommitBatch = {
    expected: { ts: 0 as Timestamp, writer: "" },
    ts: 1 as Timestamp,
    writer: "w",
    documents: [],
    entries: [],
    transactions: [],
    outcomes: [],
    catalog: null,
  };
  const outcome = persistence.commit(batch);
  expect(timers.pending).toEqual([5_000]);
  timers.advance(5_000);
  await expect(outcome).rejects.toBeInstanceOf(UnknownOutcomeError);
});
