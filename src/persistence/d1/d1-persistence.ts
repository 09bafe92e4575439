import type { IndexId, IndexKey, TableId } from "../../engine/names.ts";
import {
  OutOfRetentionError,
  type CatalogRows,
  type CommitBatch,
  type DueQueue,
  type Head,
  type HeadProgress,
  type IndexEntry,
  type LoggedTransaction,
  type Persistence,
  type Read,
  type ReadResult,
  type RecordedOutcome,
} from "../../engine/persistence.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { assert } from "../../shared/assert.ts";
import { attempt, type AttemptSettings } from "./attempts.ts";
import { loadCatalogRows } from "./catalog.ts";
import {
  parseTransactions,
  progressOf,
  type FollowRow,
  FOLLOW_BYTES,
  FOLLOW_ROWS,
  FOLLOW_SQL,
  WAS_HEAD_SQL,
} from "./commit-log.ts";
import { bindArrays, CommitStatements, entryItem, ENTRIES_SQL } from "./commit.ts";
import { commitFailure } from "./errors.ts";
import { firstDayKept, OUTCOME_SQL, REMOVE_OUTCOMES_SQL } from "./outcomes.ts";
import { PRUNABLE_SQL, PRUNE_SQL, REMOVE_DOCUMENTS_SQL, REMOVE_ENTRIES_SQL, RETAIN_SQL } from "./prune-sql.ts";
import type { PackedRow } from "./range-sql.ts";
import { type Answer, GatheredReads } from "./gathered-reads.ts";
import { decodeHead, decodeReads, ReadStatements, type OverflowedDocument } from "./reads.ts";
import { systemTimers, withTimeout } from "./timers.ts";

export interface D1PersistenceSettings extends AttemptSettings {
  /** Milliseconds after which a commit counts as lost. D1 itself gives up on a batch after 30 s. */
  readonly commitTimeoutMs: number;
  /** See `GatheredReads`. Without it each read is a round trip of its own. */
  readonly keepAlive?: (work: Promise<unknown>) => void;
}

export const DEFAULT_D1_SETTINGS: D1PersistenceSettings = {
  timers: systemTimers,
  timeoutMs: 10_000,
  backoffMs: [50, 200],
  commitTimeoutMs: 30_000,
};

/** Everything committed is at or before the head, so "latest" needs no sub-select: no version is beyond this. */
const NO_BOUND = Number.MAX_SAFE_INTEGER;

/** Log rows per statement: a row is below 2 MB, a Worker has 128. */
const LOG_ROWS = 32;

const LOG_SQL = `SELECT ts, part, transactions FROM commits WHERE (ts, part) > (?1, ?2) ORDER BY ts, part LIMIT ?3`;
const DUE_SQL = "SELECT hex(key) AS k FROM index_entries WHERE index_id = 0 ORDER BY key LIMIT ?1";
const BACKFILL_SQL = `${ENTRIES_SQL} WHERE (SELECT retained_from FROM head) <= ?2 ON CONFLICT DO NOTHING`;

interface LogRow {
  readonly ts: Timestamp;
  readonly part: number;
  readonly transactions: string;
}

/**
 * The database in D1. One round trip per read, perhaps shared, and per commit; a second one only for documents beyond
 * 1.9 MB.
 */
export class D1Persistence implements Persistence, DueQueue {
  readonly #db: D1Database;
  readonly #settings: D1PersistenceSettings;
  readonly #reads: ReadStatements;
  readonly #commits: CommitStatements;
  readonly #follow: D1PreparedStatement;
  readonly #gathered: GatheredReads | null;
  #sizeBytes: number | null = null;

  constructor(db: D1Database, settings: Partial<D1PersistenceSettings> = {}) {
    this.#db = db;
    this.#settings = { ...DEFAULT_D1_SETTINGS, ...settings };
    this.#reads = new ReadStatements(db);
    this.#commits = new CommitStatements(db);
    this.#follow = db.prepare(FOLLOW_SQL);
    const { timers, keepAlive } = this.#settings;
    const send = (reads: readonly Read[]): Promise<Answer> => this.#read(reads, "latest");
    this.#gathered = keepAlive === undefined ? null : new GatheredReads({ send, timers, keepAlive });
  }

  /** Size of the database in bytes after the last commit through this object, `null` before the first. */
  get sizeBytes(): number | null {
    return this.#sizeBytes;
  }

  async read<const R extends readonly Read[]>(
    reads: R,
    at: Timestamp | "latest",
  ): Promise<{ readonly head: Head; readonly results: { readonly [I in keyof R]: ReadResult<R[I]> } }> {
    const { head, results } = await (at === "latest" && this.#gathered !== null
      ? this.#gathered.read(reads)
      : this.#read(reads, at));
    // One result per read, of the kind asked: `decodeReads` builds them in the order of `reads`.
    return { head, results: results as unknown as { readonly [I in keyof R]: ReadResult<R[I]> } };
  }

  async #read(reads: readonly Read[], at: Timestamp | "latest"): Promise<Answer> {
    const answers = await this.#batch<PackedRow>(this.#reads.bind(reads, at === "latest" ? NO_BOUND : at));
    const head = decodeHead(answers);
    if (at !== "latest") assertReadable(head, at);
    const { results, overflowed } = decodeReads(reads, answers);
    if (overflowed.length > 0) await this.#fetchOverflowed(overflowed, at === "latest" ? head.ts : at);
    return { head, results };
  }

  async #fetchOverflowed(overflowed: readonly OverflowedDocument[], at: Timestamp): Promise<void> {
    const statements = overflowed.map((document) => this.#reads.overflow(document));
    const answers = await this.#batch<PackedRow>([this.#reads.head(), ...statements]);
    assertRetained(decodeHead(answers), at);
    for (const [i, { id, document }] of overflowed.entries()) {
      document.json = answers[i + 1]?.results.map((row) => row.v).join("") ?? "";
      assert(document.json !== "", () => `document ${id} has no text`);
    }
  }

  async due(limit: number): Promise<readonly IndexKey[]> {
    const [answer] = await this.#batch<{ readonly k: IndexKey }>([this.#db.prepare(DUE_SQL).bind(limit)]);
    return answer?.results.map(({ k }) => k) ?? [];
  }

  async loadCatalog(): Promise<CatalogRows> {
    return await attempt(this.#settings, () => loadCatalogRows(this.#db));
  }

  async commit(batch: CommitBatch): Promise<void> {
    const statements = this.#commits.bind(batch);
    const { timers, commitTimeoutMs } = this.#settings;
    try {
      const answers = await withTimeout(
        timers,
        commitTimeoutMs,
        this.#db.batch(statements),
        () => new Error(`The database did not answer within ${commitTimeoutMs} ms.`),
      );
      this.#sizeBytes = answers.at(-1)?.meta.size_after ?? null;
    } catch (error) {
      throw commitFailure(error);
    }
  }

  async log(after: Timestamp, limit: number): Promise<readonly LoggedTransaction[]> {
    const transactions: LoggedTransaction[] = [];
    let cursor = { ts: after, part: NO_BOUND };
    let pieces: string[] = [];
    for (;;) {
      const answers = await this.#batch<PackedRow & LogRow>([
        this.#reads.head(),
        this.#db.prepare(LOG_SQL).bind(cursor.ts, cursor.part, LOG_ROWS),
      ]);
      assertRetained(decodeHead(answers), after);
      const rows = answers[1]?.results ?? [];
      for (const { ts, part, transactions: piece } of rows) {
        if (part === 0 && pieces.length > 0) {
          transactions.push(...parseTransactions(pieces));
          pieces = [];
        }
        pieces.push(piece);
        cursor = { ts, part };
      }
      const done = rows.length < LOG_ROWS;
      if (done && pieces.length > 0) transactions.push(...parseTransactions(pieces));
      if (done || transactions.length >= limit) break;
    }
    return transactions.filter(({ ts }) => ts > after).slice(0, limit);
  }

  async follow(since: Head): Promise<HeadProgress> {
    const [answer] = await this.#batch<FollowRow>([this.#follow.bind(since.ts, FOLLOW_BYTES, FOLLOW_ROWS)]);
    const [first, ...rows] = answer?.results ?? [];
    const progress = progressOf(since, decodeHead([{ results: [{ k: "", v: first?.v ?? null }] }]), rows);
    // Another writer may have begun from a backup, in which what is known here never happened.
    const sure = progress.head.writer === since.writer || progress.transactions === null;
    return sure || (await this.#wasHead(since.ts)) ? progress : { ...progress, transactions: null };
  }

  async #wasHead(ts: Timestamp): Promise<boolean> {
    const [answer] = await this.#batch([this.#db.prepare(WAS_HEAD_SQL).bind(ts)]);
    return answer?.results.length === 1;
  }

  async outcome(sessionId: string, requestId: string): Promise<RecordedOutcome | null> {
    const [answer] = await this.#batch<{ ts: Timestamp; outcome: string }>([
      this.#db.prepare(OUTCOME_SQL).bind(sessionId, requestId),
    ]);
    const [first, ...rest] = answer?.results ?? [];
    if (first === undefined) return null;
    return { sessionId, requestId, ts: first.ts, outcome: first.outcome + rest.map((row) => row.outcome).join("") };
  }

  async backfill(entries: readonly IndexEntry[], readAt: Timestamp): Promise<void> {
    const items = entries.map(entryItem);
    const insert = bindArrays(this.#db.prepare(BACKFILL_SQL), items, readAt);
    assertRetained(decodeHead(await this.#batch<PackedRow>([this.#reads.head(), ...insert])), readAt);
  }

  async removeIndexEntries(indexId: IndexId, limit: number): Promise<number> {
    const [answer] = await this.#batch([this.#db.prepare(REMOVE_ENTRIES_SQL).bind(indexId, limit)]);
    return answer?.meta.changes ?? 0;
  }

  async removeDocuments(tableId: TableId, limit: number): Promise<number> {
    const statements = REMOVE_DOCUMENTS_SQL.map((sql) => this.#db.prepare(sql).bind(tableId, limit));
    return (await this.#batch(statements)).at(-1)?.meta.changes ?? 0;
  }

  async prune(before: Timestamp, limit: number): Promise<boolean> {
    const [, answer, outcomes] = await this.#batch<{ ts: Timestamp; part: number; weight: number }>([
      this.#db.prepare(RETAIN_SQL).bind(before),
      this.#db.prepare(PRUNABLE_SQL).bind(limit + 1),
      this.#db.prepare(REMOVE_OUTCOMES_SQL).bind(firstDayKept(before), limit),
    ]);
    const moreOutcomes = outcomes?.meta.changes === limit;
    const prunable = answer?.results ?? [];
    let rows = 0;
    let taken = 0;
    for (const { weight } of prunable) {
      rows += 1 + weight;
      if (taken > 0 && rows > limit) break;
      taken++;
    }
    const last = prunable[taken - 1];
    if (last === undefined) return moreOutcomes;
    await this.#batch(PRUNE_SQL.map((sql) => this.#db.prepare(sql).bind(last.ts, last.part)));
    return moreOutcomes || taken < prunable.length;
  }

  /** Only for work that may be done twice. */
  #batch<Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> {
    return attempt(this.#settings, () => this.#db.batch<Row>(statements));
  }
}

function assertReadable(head: Head, at: Timestamp): void {
  assertRetained(head, at);
  assert(at <= head.ts, () => `snapshot ${at} is newer than the head ${head.ts}`);
}

function assertRetained(head: Head, at: Timestamp): void {
  if (at < head.retainedFrom) {
    throw new OutOfRetentionError(`Snapshot ${at} is older than ${head.retainedFrom}, the oldest one retained.`);
  }
}
