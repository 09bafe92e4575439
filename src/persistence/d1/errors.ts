import { FencedError, UnknownOutcomeError } from "../../engine/persistence.ts";
import { CodedError } from "../../shared/coded-error.ts";

/**
 * - `fenced`: the head was not what the commit expected; nothing was stored.
 * - `statement`: SQLite refused a statement, so nothing was stored. A bug of ours, or a full database.
 * - `unmigrated`: a table or column of this version is not there yet, so nothing was stored.
 * - `overloaded`: D1 asks for less work. Trying again at once makes it worse.
 * - `transient`: everything else. The batch may have been stored.
 */
export type D1Failure = "fenced" | "statement" | "unmigrated" | "overloaded" | "transient";

const FENCE = "NOT NULL constraint failed: head.ts";

/** Result codes after which SQLite has rolled back for certain. Busy, interrupted and I/O errors are not among them. */
const STATEMENT = /SQLITE_(?:ERROR|CONSTRAINT|TOOBIG|MISMATCH|RANGE|AUTH|FULL|READONLY)\b|D1_TYPE_ERROR/;

const UNMIGRATED = /no such (?:table|column): /;

const OVERLOADED = /overloaded|too many requests queued|requests queued for too long|exceeded (?:its|timeout)/i;

export function classifyD1Failure(error: unknown): D1Failure {
  const text = error instanceof Error ? error.message : String(error);
  if (text.includes(FENCE)) return "fenced";
  if (UNMIGRATED.test(text)) return "unmigrated";
  if (STATEMENT.test(text) || error instanceof TypeError) return "statement";
  return OVERLOADED.test(text) ? "overloaded" : "transient";
}

/** What a failed commit means to its caller. */
export function commitFailure(error: unknown): unknown {
  const failure = classifyD1Failure(error);
  if (failure === "statement" || failure === "unmigrated") return error;
  return failure === "fenced"
    ? new FencedError("The head of the database is not what the commit expected.", { cause: error })
    : new UnknownOutcomeError("The database did not say whether the commit was stored.", { cause: error });
}

/** The storage doesn't answer: nothing is wrong with the request, which may be sent again. */
export function storageUnavailable(cause: unknown): CodedError {
  return new CodedError("Overloaded", "DatabaseUnavailable", "Your request couldn't be completed. Try again later.", {
    cause,
  });
}

/** Tables are missing: a request that came before the migrations, or code that was deployed without them. */
export function notMigrated(cause: unknown): CodedError {
  return new CodedError(
    "Overloaded",
    "DatabaseNotMigrated",
    "The database lacks tables of this version of the backend. Apply its migrations, then try again.",
    { cause },
  );
}
