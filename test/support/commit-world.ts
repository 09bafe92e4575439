import { Lanes } from "../../src/engine/commit/lanes.ts";
import { type MutationJob, MutationRunner } from "../../src/engine/commit/mutation-runner.ts";
import type { HighWaterMark } from "../../src/engine/commit/ports.ts";
import { type CommitSettings, DEFAULT_COMMIT_SETTINGS } from "../../src/engine/commit/settings.ts";
import { WriterLife } from "../../src/engine/commit/writer-life.ts";
import type { IndexKey, InternalId } from "../../src/engine/names.ts";
import type { LoggedTransaction } from "../../src/engine/persistence.ts";
import type { Timestamp } from "../../src/engine/timestamp.ts";
import type { Log } from "../../src/shared/log.ts";
import { ScriptedPersistence, type Script } from "./scripted-persistence.ts";
import { SimplePersistence } from "./simple-persistence.ts";
import { simpleRules, simpleRun, type SimpleTransaction } from "./simple-transaction.ts";
import { VirtualTime } from "./virtual-time.ts";

/** Deterministic numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function id(n: number): InternalId {
  return n.toString(16).toUpperCase().padStart(32, "0") as InternalId;
}

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export class MemoryMark implements HighWaterMark {
  mark: Timestamp | null = null;
  stores = 0;

  async load(): Promise<Timestamp | null> {
    return this.mark;
  }

  async store(mark: Timestamp): Promise<void> {
    this.mark = mark;
    this.stores += 1;
  }
}

export interface Answer<T> {
  readonly ts: number;
  readonly value: T;
}

/** One Transactor object without the Durable Object, on a store that several may share. */
export class CommitWorld {
  readonly time: VirtualTime;
  readonly store: SimplePersistence;
  readonly mark: MemoryMark;
  readonly life: WriterLife;
  readonly lanes: Lanes;
  readonly runner: MutationRunner;
  readonly published: LoggedTransaction[] = [];
  /** The same by group: what was durable right before, and the timestamps that were told. */
  readonly groups: { readonly previous: number; readonly told: readonly number[] }[] = [];
  /** What the Scheduler was told of jobs. */
  readonly due: (readonly IndexKey[])[] = [];
  readonly errors: unknown[] = [];

  constructor(
    options: {
      readonly time?: VirtualTime;
      readonly store?: SimplePersistence;
      readonly mark?: MemoryMark;
      readonly script?: Script;
      readonly settings?: Partial<CommitSettings>;
      readonly seed?: number;
    } = {},
  ) {
    this.time = options.time ?? new VirtualTime();
    this.store = options.store ?? new SimplePersistence();
    this.mark = options.mark ?? new MemoryMark();
    const random = seeded(options.seed ?? 1);
    const settings = { ...DEFAULT_COMMIT_SETTINGS, ...options.settings };
    const persistence = new ScriptedPersistence(this.store, this.time, options.script ?? {});
    const shared = {
      persistence,
      rules: simpleRules,
      clock: this.time,
      timers: this.time,
      log: { ...SILENT, error: (_event: string, error: unknown) => this.errors.push(error) },
      settings,
    };
    this.lanes = new Lanes(settings, this.time, this.time);
    this.life = new WriterLife({
      ...shared,
      underway: () => this.lanes.running + this.lanes.queued,
      mark: this.mark,
      due: (keys) => this.due.push(keys),
      random: { bytes: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)) },
      published: (transactions, previous) => {
        this.published.push(...transactions);
        this.groups.push({ previous, told: transactions.map(({ ts }) => ts) });
      },
    });
    this.runner = new MutationRunner({ ...shared, life: this.life, lanes: this.lanes, jitter: random });
  }

  /** Time does not move: use `time.until`, or `mutate`. */
  start<T>(
    name: string,
    body: (tx: SimpleTransaction) => Promise<T>,
    idempotency: MutationJob["idempotency"] = null,
    request?: string,
  ): Promise<Answer<T>> {
    const named = request === undefined ? {} : { request };
    return this.runner
      .run({ functionName: name, idempotency, ...named, execute: simpleRun(body) })
      .then((text) => JSON.parse(text) as Answer<T>);
  }

  mutate<T>(
    name: string,
    body: (tx: SimpleTransaction) => Promise<T>,
    idempotency: MutationJob["idempotency"] = null,
  ): Promise<Answer<T>> {
    return this.time.until(this.start(name, body, idempotency));
  }
}

/** Adds 1 to a field of one document, which it inserts if need be. */
export async function increment(tx: SimpleTransaction, document: InternalId): Promise<number> {
  const before = await tx.get("counters", document);
  const n = (before?.["n"] ?? 0) + 1;
  await tx.put("counters", document, { n });
  return n;
}
