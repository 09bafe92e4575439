import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import {
  type CatalogChange,
  FencedError,
  type Head,
  type LoggedTransaction,
  type Persistence,
  type RecordedOutcome,
} from "../persistence.ts";
import type { IndexKey } from "../names.ts";
import { EVERYTHING } from "../interval.ts";
import type { Timestamp } from "../timestamp.ts";
import type { IdAllocator } from "./allocator.ts";
import {
  type CatalogCommit,
  type CatalogCommitResult,
  newTablesChange,
  withCreationTimeIndexes,
} from "./catalog-changes.ts";
import { type Conflict, evictedConflict, keyConflict, restartConflict } from "./conflict.ts";
import type { TransactionEffects, WriteRules } from "./effects.ts";
import { committerStalled, fencedOff, outcomeUnknown, tooManyWrites } from "./errors.ts";
import { Gathering } from "./gathering.ts";
import { Group } from "./group.ts";
import { GroupStore } from "./group-store.ts";
import { IndexedWrites } from "./indexed-writes.ts";
import type { LatestState } from "./latest-state.ts";
import type { Timers } from "./ports.ts";
import type { CommitSettings } from "./settings.ts";
import type { TimestampOracle } from "./timestamps.ts";
import type { TransactionReader } from "./transaction-reader.ts";

/** What goes with a transaction into its commit. */
export interface CommitNote {
  /** Function that wrote it, `null` for the system. */
  readonly source: string | null;
  /** The answer to record for a client that sends the mutation again. Called once, with the commit timestamp. */
  readonly outcome: (ts: Timestamp) => RecordedOutcome | null;
}

export type Decision =
  | {
      readonly kind: "decided";
      readonly ts: Timestamp;
      readonly durable: Promise<void>;
      readonly fate: Promise<boolean>;
    }
  | { readonly kind: "conflict"; readonly conflict: Conflict };

export interface GroupCommitParts {
  readonly state: LatestState;
  readonly ids: IdAllocator;
  readonly oracle: TimestampOracle;
  readonly rules: WriteRules;
  readonly persistence: Persistence;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly settings: CommitSettings;
  /** The head that the first batch expects, and who writes from then on. */
  readonly head: Head;
  readonly writer: string;
  /** Mutations that are running or wait for their turn: those that may still join an open group. */
  readonly underway: () => number;
  /** Told once per stored group, in order, with the timestamp of the durable transaction right before the group. */
  readonly published: (transactions: readonly LoggedTransaction[], previous: Timestamp) => void;
  /** Told which jobs a stored group added to the queue, if any. */
  readonly due?: (keys: readonly IndexKey[]) => void;
}

/**
 * Commit order of one writer, from the head it was loaded at to the moment it is fenced. Deciding is synchronous:
 * no transaction comes between the check of a read set and the write being visible to the next reader.
 *
 *     decide ─► newest state (readers see it) ─► open group ─► in flight ─► durable ─► acknowledged
 *
 * One batch is in flight at a time; while it is, the next group fills.
 */
export class GroupCommit {
  readonly #parts: GroupCommitParts;
  readonly #store: GroupStore;
  readonly #gathering: Gathering;
  /** In order. The first may be in flight; the last is open unless closed. */
  readonly #groups: Group[] = [];
  #inFlight: Group | null = null;
  #sending = false;
  #signed = false;
  #expected: Pick<Head, "ts" | "writer">;
  #ended: Error | null = null;
  #stalled = false;
  /** Start and bytes of the current second, for E-C-11. */
  #window = { start: 0, bytes: 0 };

  constructor(parts: GroupCommitParts) {
    this.#parts = parts;
    this.#gathering = new Gathering({ ...parts, maxMs: parts.settings.gatherMs });
    this.#store = new GroupStore(parts.persistence, parts.timers, parts.log, parts.settings);
    this.#expected = { ts: parts.head.ts, writer: parts.head.writer };
  }

  get state(): LatestState {
    return this.#parts.state;
  }

  get ids(): IdAllocator {
    return this.#parts.ids;
  }

  /** Why nothing can be decided here any more: another writer took over, or a bug. `null` while all is well. */
  get ended(): Error | null {
    return this.#ended;
  }

  /** Refuses work that could not be acknowledged in time. */
  checkAdmission(): void {
    if (this.#stalled) throw committerStalled();
  }

  /** Validates a finished transaction, and if nothing it read has changed, gives it its place in the order. */
  decide(reader: TransactionReader, effects: TransactionEffects, note: CommitNote): Decision {
    this.#checkAlive();
    const conflict = this.conflict(reader, effects);
    if (conflict !== null) return { kind: "conflict", conflict };
    const { state, ids } = this.#parts;
    const { newTables } = effects.writeSet;
    for (const { table } of newTables) {
      if (state.catalog.table(table.component, table.name) !== undefined) {
        return { kind: "conflict", conflict: { kind: "written", table: table.name, document: null, writer: null } };
      }
    }
    const change =
      newTables.length === 0 ? null : withCreationTimeIndexes(state.catalog, newTablesChange(newTables), ids);
    return this.#append(effects, change, false, note);
  }

  /** Why the transaction can't be trusted any more: something it read has changed since it began. */
  conflict(reader: TransactionReader, effects: TransactionEffects): Conflict | null {
    const { state } = this.#parts;
    const begin = reader.snapshotTs;
    if (state.catalogBarrier > begin) return restartConflict();
    if (begin < state.log.floor) return evictedConflict();
    const found = state.log.conflict(begin, effects.readSet);
    return found === null ? null : keyConflict(state.catalog, found);
  }

  /** Changes the catalog unless somebody else did since the change was computed. Resolves when it is durable. */
  async commitCatalog(commit: CatalogCommit): Promise<CatalogCommitResult> {
    this.#checkAlive();
    const { state, ids } = this.#parts;
    if (state.catalog.ts !== commit.expectedCatalogTs || !state.catalogState.fits(commit.change)) {
      return { ok: false, reason: "catalogChanged" };
    }
    if (this.#mayBeWritten(commit.unwrittenSince)) return { ok: false, reason: "documentsChanged" };
    const change = withCreationTimeIndexes(state.catalog, commit.change, ids);
    const { ts, durable } = this.#append(NO_EFFECTS, change, true, { source: null, outcome: () => null });
    await durable;
    return { ok: true, ts };
  }

  /** Resolves when everything up to `ts` is stored. */
  durable(ts: Timestamp): Promise<void> {
    if (ts <= this.state.durableTs) return Promise.resolve();
    if (this.#ended !== null) return Promise.reject(fencedOff(this.#ended));
    const group = this.#groups.find((candidate) => candidate.ts !== null && candidate.ts >= ts);
    return group === undefined ? Promise.reject(new Error(`No group holds ${ts}`)) : group.acknowledged;
  }

  /** Stops here: another writer owns the database, or this one lost track of it. Nothing undecided is lost. */
  end(cause: Error): void {
    if (this.#ended !== null) return;
    this.#ended = cause;
    const refusal = cause instanceof FencedError ? fencedOff(cause) : cause;
    // What is in flight learns its own fate.
    for (const group of this.#groups.splice(this.#inFlight === null ? 0 : 1)) {
      group.refuse(refusal);
      group.settle(false);
    }
  }

  #append(
    effects: TransactionEffects,
    change: CatalogChange | null,
    barrier: boolean,
    note: CommitNote,
  ): Extract<Decision, { kind: "decided" }> {
    const { state, oracle, rules, writer } = this.#parts;
    const bytes = writtenBytes(effects);
    this.#countWrites(bytes);
    const ts = oracle.next();
    if (change !== null) state.setCatalog(state.catalogState.apply(change, ts), barrier);
    const writes = effects.writeSet.documents.some((write) => write.after?.hasCommitTs === true)
      ? rules.resolveCommitTs(effects.writeSet, ts).documents
      : effects.writeSet.documents;
    const indexed = new IndexedWrites(state.catalog, rules, writes, ts);
    if (change !== null) indexed.addCatalog(change);
    if (!this.#signed) {
      // Two writers may give the same timestamp to the same keys: the log must tell whose transaction it holds.
      this.#signed = true;
      indexed.addSignature(writer);
    }
    state.apply({
      entry: { ts, changes: indexed.sorted(), source: note.source, bytes: bytes + 100 * indexed.keys.length + 100 },
      documents: indexed.documents,
    });
    const group = this.#openGroup();
    group.add({
      ts,
      documents: writes,
      entries: indexed.entries,
      due: indexed.due,
      keys: indexed.keys,
      outcome: note.outcome(ts),
      catalog: change,
      bytes,
    });
    this.#gathering.joined(group);
    this.#startSending();
    return { kind: "decided", ts, durable: group.acknowledged, fate: group.fate };
  }

  #mayBeWritten(since: CatalogCommit["unwrittenSince"]): boolean {
    if (since === undefined) return false;
    const { log } = this.#parts.state;
    return since.ts < log.floor || since.tables.some((id) => log.conflictIn(since.ts, `t${id}`, EVERYTHING) !== null);
  }

  #openGroup(): Group {
    const last = this.#groups.at(-1);
    if (last !== undefined && last !== this.#inFlight && !this.#isFull(last)) {
      return last;
    }
    const group = new Group();
    this.#groups.push(group);
    return group;
  }

  #startSending(): void {
    if (this.#sending) return;
    this.#sending = true;
    // Whatever is decided in this turn of the event loop joins the group.
    void Promise.resolve().then(() => this.#send());
  }

  async #send(): Promise<void> {
    for (;;) {
      const group = this.#groups[0];
      if (group === undefined || this.#ended !== null) break;
      await this.#gathering.wait(group, () => this.#isFull(group) || this.#ended !== null);
      // Ended while it waited: the group has been refused with the others.
      if (this.#groups[0] !== group) break;
      this.#inFlight = group;
      try {
        await this.#sendGroup(group);
      } catch (error) {
        this.#parts.log.error("commit.failed", error);
        this.end(error instanceof Error ? error : new Error(String(error)));
        group.refuse(error);
        group.settle(false);
      }
      this.#inFlight = null;
    }
    this.#sending = false;
  }

  #isFull(group: Group): boolean {
    return group.closed || group.bytes >= this.#parts.settings.groupBytes;
  }

  async #sendGroup(group: Group): Promise<void> {
    const { oracle, state, timers, settings, writer } = this.#parts;
    const batch = group.batch(this.#expected, writer);
    const covered = oracle.covered(batch.ts);
    // Awaited below; until then its failure is not an unhandled one.
    covered.catch(() => undefined);
    const cancelStall = timers.after(settings.commitStallMs, () => this.#stall());
    const result = await this.#store.store(batch).finally(cancelStall);
    if (result === "fenced") {
      const cause = new FencedError("Another writer moved the head");
      this.end(cause);
      group.refuse(fencedOff(cause));
      group.settle(false);
      return;
    }
    await covered;
    this.#groups.shift();
    this.#inFlight = null;
    const previous = this.#expected.ts;
    this.#expected = { ts: batch.ts, writer };
    this.#stalled = false;
    state.setDurable(batch.ts);
    group.acknowledge();
    group.settle(true);
    this.#publish(group, previous);
    if (result === "stored-then-fenced") this.end(new FencedError("Another writer built on the last batch"));
  }

  #publish({ transactions, addedDue }: Group, previous: Timestamp): void {
    try {
      if (addedDue.length > 0) this.#parts.due?.(addedDue);
      this.#parts.published(transactions, previous);
    } catch (error) {
      // Subscribers catch up from the commit log; commit order goes on.
      this.#parts.log.error("commit.publish", error);
    }
  }

  /** Callers stop waiting; the groups stay and are stored as soon as storage answers again. */
  #stall(): void {
    this.#stalled = true;
    this.#parts.log.warn("commit.stalled", { groups: this.#groups.length });
    for (const group of this.#groups) group.refuse(outcomeUnknown());
  }

  #checkAlive(): void {
    if (this.#ended !== null) throw fencedOff(this.#ended);
    if (this.#stalled) throw committerStalled();
  }

  #countWrites(bytes: number): void {
    const limit = this.#parts.settings.writeBytesPerSecond;
    if (limit === null || bytes === 0) return;
    const now = this.#parts.clock.now();
    if (now - this.#window.start >= 1000) this.#window = { start: now, bytes: 0 };
    // One transaction alone may exceed the rate, or it could never be stored.
    if (this.#window.bytes > 0 && this.#window.bytes + bytes > limit) {
      throw tooManyWrites(limit, this.#parts.settings.writeRateNote);
    }
    this.#window.bytes += bytes;
  }
}

const NO_EFFECTS: TransactionEffects = { readSet: new Map(), writeSet: { documents: [], newTables: [] } };

function writtenBytes(effects: TransactionEffects): number {
  let bytes = 0;
  for (const write of effects.writeSet.documents) bytes += 100 + (write.after?.json.length ?? 0);
  return bytes;
}
