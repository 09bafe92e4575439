import { toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import type { Random } from "../../shared/random.ts";
import type { LoggedTransaction, Persistence } from "../persistence.ts";
import type { IndexKey } from "../names.ts";
import { IdAllocator } from "./allocator.ts";
import { CatalogState } from "./catalog-changes.ts";
import type { WriteRules } from "./effects.ts";
import { GroupCommit } from "./group-commit.ts";
import { LatestState } from "./latest-state.ts";
import type { Timestamp } from "../timestamp.ts";
import type { HighWaterMark, Timers } from "./ports.ts";
import type { CommitSettings } from "./settings.ts";
import { TimestampOracle } from "./timestamps.ts";

export interface WriterLifeParts {
  readonly persistence: Persistence;
  readonly mark: HighWaterMark;
  readonly rules: WriteRules;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly log: Log;
  readonly settings: CommitSettings;
  readonly underway: () => number;
  readonly published: (transactions: readonly LoggedTransaction[], previous: Timestamp) => void;
  /** Told which jobs were added to the queue, and of none when a writer begins: the one before may not have told. */
  readonly due?: (keys: readonly IndexKey[]) => void;
}

/**
 * The current commit order. It is loaded from the head, ends when another writer takes the database over, and is
 * loaded again by whoever asks next, as a new writer: its first commit takes the head back.
 */
export class WriterLife {
  readonly #parts: WriterLifeParts;
  #line: GroupCommit | null = null;
  #loading: Promise<GroupCommit> | null = null;

  constructor(parts: WriterLifeParts) {
    this.#parts = parts;
  }

  /** The current one if it is loaded and alive. */
  get alive(): GroupCommit | null {
    return this.#line !== null && this.#line.ended === null ? this.#line : null;
  }

  /** Loads it if need be. A failure is the caller's; the next caller tries again. */
  async current(): Promise<GroupCommit> {
    const { alive } = this;
    if (alive !== null) return alive;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    this.#line = await this.#loading;
    return this.#line;
  }

  async #load(): Promise<GroupCommit> {
    const { persistence, mark, clock, random, settings, log, ...shared } = this.#parts;
    const [rows, stored] = await Promise.all([persistence.loadCatalog(), mark.load()]);
    const writer = toHex(random.bytes(16)).toLowerCase();
    log.info("commit.loaded", { ts: rows.head.ts, writer, previousWriter: rows.head.writer });
    shared.due?.([]);
    return new GroupCommit({
      ...shared,
      persistence,
      clock,
      log,
      settings,
      head: rows.head,
      writer,
      state: new LatestState(persistence, settings.memoryBytes, writer, rows.head, CatalogState.load(rows)),
      ids: new IdAllocator(rows.maxTableId, rows.maxIndexId),
      oracle: new TimestampOracle(clock, mark, settings.reserveMs, rows.head.ts, stored),
    });
  }
}
