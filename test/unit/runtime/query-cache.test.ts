import { describe, expect, test } from "vitest";
import type { Interval } from "../../../src/engine/interval.ts";
import { FollowedLog } from "../../../src/engine/followed-log.ts";
import type { IndexKey } from "../../../src/engine/names.ts";
import type { Head, HeadProgress, LoggedTransaction } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { ReadMemory } from "../../../src/runtime/functions/read-memory.ts";
import {
  callText,
  CLOCK_RESULT_MS,
  QueryCache,
  type QueryKey,
  type QueryRun,
} from "../../../src/runtime/functions/query-cache.ts";
import { NO_IDENTITY } from "../../../src/protocol/identity.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const MIB = 2 ** 20;
const NEVER = { time: false, randomness: false };

function ts(n: number): Timestamp {
  return n as Timestamp;
}

function head(at: number, more: Partial<Head> = {}): Head {
  return { ts: ts(at), writer: "w", catalogTs: ts(1), retainedFrom: ts(1), ...more };
}

function key(call: string, identity = "null"): QueryKey {
  return { call, identity };
}

function run(value: string, at: number, reads: readonly Interval[], more: Partial<QueryRun> = {}): QueryRun {
  return {
    outcome: { ok: true, value, logLines: [] },
    readSet: new Map([["i1", reads]]),
    readsIdentity: false,
    observed: NEVER,
    ts: ts(at),
    catalogTs: ts(1),
    startedAt: 0,
    ...more,
  };
}

function wrote(at: number, ...keys: string[]): LoggedTransaction {
  return { ts: ts(at), keys: keys.map((one) => ["i1", one as IndexKey] as const) };
}

function progress(at: number, ...transactions: LoggedTransaction[]): HeadProgress {
  return { head: head(at), transactions };
}

function valueIn({ queries }: Kept, of: QueryKey, now = 0): string | null {
  const found = queries.find(of, now);
  return found?.outcome.ok === true ? found.outcome.value : null;
}

/** A cache with the log that it follows. */
class Kept {
  readonly log = new FollowedLog();
  readonly queries: QueryCache;

  constructor(maxBytes: number) {
    this.queries = new QueryCache(maxBytes, this.log);
  }

  get size(): number {
    return this.queries.size;
  }

  get bytes(): number {
    return this.queries.bytes;
  }

  store(of: QueryKey, result: QueryRun, at: Head): void {
    this.log.begin(at);
    this.queries.store(of, result);
  }

  advance(since: Head, news: HeadProgress): void {
    this.queries.apply(this.log.advance(since, news));
  }
}

describe("what is kept", () => {
  test("QC1 a result is there until a key of its read set is logged", () => {
    const cache = new Kept(MIB);
    cache.store(key("a"), run("1", 10, [{ start: "20", end: "30" }]), head(10));
    cache.advance(head(10), progress(11, wrote(11, "1F", "30")));
    expect(valueIn(cache, key("a"))).toBe("1");
    cache.advance(head(11), progress(12, wrote(12, "2F")));
    expect(valueIn(cache, key("a"))).toBeNull();
    expect(cache.bytes).toBe(0);
  });

  test("QC1 a commit that the result has seen leaves it alone", () => {
    const cache = new Kept(MIB);
    cache.store(key("first"), run("0", 10, []), head(10));
    cache.store(key("a"), run("1", 15, [{ start: "20", end: "30" }]), head(15));
    cache.advance(head(10), progress(16, wrote(15, "25"), wrote(16, "50")));
    expect(valueIn(cache, key("a"))).toBe("1");
  });

  test("QC2 a result that depends on the caller is its own, others are everybody's", () => {
    const cache = new Kept(MIB);
    cache.store(key("mine", '{"sub":"a"}'), run("a's", 10, [], { readsIdentity: true }), head(10));
    cache.store(key("ours", '{"sub":"a"}'), run("all", 10, []), head(10));
    expect(valueIn(cache, key("mine", '{"sub":"a"}'))).toBe("a's");
    expect(valueIn(cache, key("mine", '{"sub":"b"}'))).toBeNull();
    expect(valueIn(cache, key("mine"))).toBeNull();
    expect(valueIn(cache, key("ours"))).toBe("all");
  });

  test("QC2 no call is taken for another or for another's caller, whatever clients put into it", () => {
    const call = (module: string, args: string, journal: string | null) =>
      callText(
        {
          path: { component: "", module, function: "f" },
          args,
          visibility: "public",
          identity: NO_IDENTITY,
          context: { requestId: "", ip: null, userAgent: null, scheduledFunctionId: null, caller: "HttpApi" },
        },
        journal,
      );
    const cache = new Kept(MIB);
    const victim = key(call("m.js", "[{}]", null), '{"sub":"a"}');
    cache.store(victim, run("secret", 10, [], { readsIdentity: true }), head(10));
    for (const odd of ["\u0000", "\u0000[{}]\u0000", '"]', '",null][{}]', '[{}]\u0000{"sub":"a"}']) {
      expect(valueIn(cache, key(call("m.js", '{"sub":"a"}', odd)))).toBeNull();
      expect(valueIn(cache, key(call("m.js", "[{}]", odd)))).toBeNull();
      expect(valueIn(cache, key(call(`m.js${odd}`, "[{}]", null)))).toBeNull();
    }
    expect(valueIn(cache, victim)).toBe("secret");
  });

  test("QC3 a result that arrives after newer commits is kept only if they left it alone", () => {
    const cache = new Kept(MIB);
    cache.store(key("first"), run("0", 10, []), head(10));
    cache.advance(head(10), progress(20, wrote(15, "25"), wrote(20, "70")));
    cache.store(key("stale"), run("old", 12, [{ start: "20", end: "30" }]), head(12));
    cache.store(key("same"), run("good", 12, [{ start: "30", end: "40" }]), head(12));
    cache.store(key("after"), run("new", 15, [{ start: "20", end: "30" }]), head(15));
    cache.store(key("ancient"), run("?", 9, [{ start: "30", end: "40" }]), head(9));
    expect(valueIn(cache, key("stale"))).toBeNull();
    expect(valueIn(cache, key("same"))).toBe("good");
    expect(valueIn(cache, key("after"))).toBe("new");
    expect(valueIn(cache, key("ancient"))).toBeNull();
  });

  test("QC3 an older result does not take the place of a newer one", () => {
    const cache = new Kept(MIB);
    cache.store(key("a"), run("newer", 20, []), head(20));
    cache.store(key("a"), run("older", 20, []), head(20));
    expect(valueIn(cache, key("a"))).toBe("newer");
  });

  test.each([
    ["the catalog changed", { head: head(30, { catalogTs: ts(30) }), transactions: [] }],
    ["the log could not be followed", { head: head(30), transactions: null }],
    ["the database went back", { head: head(5), transactions: [] }],
  ])("QC4 nothing is left when %s", (_, news) => {
    const cache = new Kept(MIB);
    cache.store(key("a"), run("1", 10, [{ start: "20", end: "30" }]), head(10));
    cache.advance(head(10), news);
    expect([cache.size, cache.bytes, cache.log.head]).toEqual([0, 0, news.head]);
  });

  test("QC4 results of another catalog than the head's are not kept", () => {
    const cache = new Kept(MIB);
    cache.store(key("a"), run("1", 10, []), head(10));
    cache.advance(head(10), { head: head(20, { catalogTs: ts(20) }), transactions: [] });
    cache.store(key("b"), run("1", 19, [], { catalogTs: ts(1) }), head(19));
    expect(cache.size).toBe(0);
  });

  test("QC5 failures and random results are not kept, those that looked at the clock for a while", () => {
    const cache = new Kept(MIB);
    const failed: QueryRun = { ...run("", 10, []), outcome: { ok: false, error: { message: "" }, logLines: [] } };
    cache.store(key("failed"), failed, head(10));
    cache.store(key("random"), run("1", 10, [], { observed: { time: false, randomness: true } }), head(10));
    cache.store(
      key("clock"),
      run("1", 10, [], { observed: { time: true, randomness: false }, startedAt: 100 }),
      head(10),
    );
    expect(cache.size).toBe(1);
    expect(valueIn(cache, key("clock"), 100 + CLOCK_RESULT_MS)).toBe("1");
    expect(valueIn(cache, key("clock"), 101 + CLOCK_RESULT_MS)).toBeNull();
  });

  test("QC6 the cache keeps to its bytes, and what is used stays", () => {
    const cache = new Kept(200_000);
    for (let i = 0; i < 2000; i++) {
      cache.store(key(`call ${i}`), run("x".repeat(500), 10, [{ start: "20", end: "30" }]), head(10));
      expect(cache.bytes).toBeLessThanOrEqual(200_000);
      if (i % 10 === 0) cache.queries.find(key("call 0"), 0);
    }
    expect(valueIn(cache, key("call 0"))).not.toBeNull();
    expect(valueIn(cache, key("call 1999"))).not.toBeNull();
    expect(valueIn(cache, key("call 3"))).toBeNull();
    expect(cache.size).toBeGreaterThan(50);
    cache.store(key("huge"), run("x".repeat(100_000), 10, []), head(10));
    expect(valueIn(cache, key("huge"))).toBeNull();
  });
});

interface Question {
  readonly since: Head;
  readonly answer: (news: HeadProgress) => void;
  readonly fail: () => void;
}

/** A database whose looks are answered by the test. */
function setup() {
  const cache = new Kept(MIB);
  const looks: Question[] = [];
  const time = { now: 0 };
  const kept: Promise<void>[] = [];
  const fresh = new ReadMemory({
    log: cache.log,
    queries: cache.queries,
    rows: null,
    clock: { now: () => time.now },
    keepAlive: (work) => kept.push(work),
    persistence: {
      follow: (since) =>
        new Promise((resolve, reject) => {
          looks.push({ since, answer: resolve, fail: () => reject(new Error("D1_ERROR")) });
        }),
    },
  });
  fresh.store(key("a"), run("1", 10, [{ start: "20", end: "30" }]), head(10));
  return { cache, fresh, looks, time, kept };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe("what is served", () => {
  test("QC7 nothing known asks nobody, and what is known is looked up first", async () => {
    const { fresh, looks } = setup();
    expect(await fresh.query(key("b"), null)).toBeNull();
    expect(looks).toHaveLength(0);
    const found = fresh.query(key("a"), null);
    await turns();
    expect(looks.map(({ since }) => since)).toEqual([head(10)]);
    looks[0]?.answer(progress(12, wrote(12, "99")));
    expect((await found)?.ts).toBe(12);
  });

  test("QC7 questions during a look share the next one, which begins after them", async () => {
    const { fresh, looks } = setup();
    const answers: (string | null)[] = [];
    const ask = async (): Promise<void> => {
      const found = await fresh.query(key("a"), null);
      answers.push(found?.query.outcome.ok === true ? found.query.outcome.value : null);
    };
    const all = [ask()];
    await turns();
    all.push(ask(), ask());
    await turns();
    expect(looks).toHaveLength(1);
    looks[0]?.answer(progress(10));
    await turns();
    // The first is answered. For the others a commit may have been acknowledged since its look began.
    expect(answers).toEqual(["1"]);
    await expect.poll(() => looks.length, { timeout: 30_000 }).toBe(2);
    looks[1]?.answer(progress(11, wrote(11, "25")));
    await Promise.all(all);
    expect(answers).toEqual(["1", null, null]);
    expect(looks).toHaveLength(2);
  });

  test("QC7 a past snapshot is answered without a look, if the result holds there", async () => {
    const { cache, fresh, looks } = setup();
    cache.advance(head(10), progress(20, wrote(20, "99")));
    expect((await fresh.query(key("a"), ts(15)))?.ts).toBe(15);
    expect(await fresh.query(key("a"), ts(9))).toBeNull();
    expect(looks).toHaveLength(0);
    const ahead = fresh.query(key("a"), ts(30));
    await turns();
    looks[0]?.answer(progress(30, wrote(25, "26")));
    expect(await ahead).toBeNull();
  });

  test("QC8 a look that fails makes the query run, and the next question looks again", async () => {
    const { fresh, looks, kept } = setup();
    const first = fresh.query(key("a"), null);
    await turns();
    looks[0]?.fail();
    expect(await first).toBeNull();
    const second = fresh.query(key("a"), null);
    await turns();
    looks[1]?.answer(progress(10));
    expect((await second)?.ts).toBe(10);
    await Promise.all(kept);
  });

  test("QC8 a look that never ends is given up, and others begin without it", async () => {
    const { fresh, looks, time } = setup();
    // The database's own time-outs end the look of who is alone; this is for those who wait for another's.
    const lost = fresh.query(key("a"), null);
    await turns();
    const alsoLost = [fresh.query(key("a"), null), fresh.query(key("a"), null)];
    expect(await Promise.all(alsoLost)).toEqual([null, null]);
    time.now += 10_000;
    await expect.poll(() => looks.length, { timeout: 30_000 }).toBe(2);
    const second = fresh.query(key("a"), null);
    await expect.poll(() => looks.length, { timeout: 30_000 }).toBe(3);
    looks[2]?.answer(progress(10));
    expect((await second)?.ts).toBe(10);
    // Should the lost one come back after all, with less than is known, nothing is served that may be old.
    looks[0]?.answer(progress(9));
    expect((await lost)?.ts ?? null).toBeNull();
    await expect(fresh.query(key("a"), null)).resolves.toBeNull();
  });

  test("QC9 under a random history every served result is what the query would have answered", async () => {
    const seed = freshSeed();
    console.info(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const keys = Array.from({ length: 16 }, (_, i) => `${i.toString(16).toUpperCase()}0`);
    /** Values at each timestamp, from 10 on. */
    const versions: Map<string, number>[] = [new Map(keys.map((one) => [one, 0]))];
    const log: LoggedTransaction[] = [];
    const newest = (): number => 10 + versions.length - 1;
    const answerAt = (at: number, { start, end }: Interval): string => {
      const data = versions[at - 10] ?? new Map<string, number>();
      return keys
        .filter((one) => one >= start && (end === null || one < end))
        .map((one) => data.get(one))
        .join();
    };
    const cache = new Kept(random.chance(0.5) ? MIB : 20_000);
    const fresh = new ReadMemory({
      log: cache.log,
      queries: cache.queries,
      rows: null,
      clock: { now: () => 0 },
      keepAlive: () => {},
      persistence: {
        follow: async (since) => {
          for (let i = random.below(3); i > 0; i--) await Promise.resolve();
          const at = newest();
          if (random.chance(0.01)) return { head: head(at), transactions: null };
          return { head: head(at), transactions: log.filter((one) => one.ts > since.ts && one.ts <= at) };
        },
      },
    });
    let served = 0;
    const ask = async (): Promise<void> => {
      const interval = { start: random.pick(keys), end: random.chance(0.2) ? null : random.pick(keys) };
      const of = key(JSON.stringify(interval));
      const asked = newest();
      const found = await fresh.query(of, null);
      if (found === null) {
        const at = newest();
        const result = run(answerAt(at, interval), at, [interval]);
        // User code takes its time, and others commit meanwhile.
        for (let i = random.below(12); i > 0; i--) await Promise.resolve();
        fresh.store(of, result, head(at));
        return;
      }
      served += 1;
      expect(found.ts).toBeGreaterThanOrEqual(asked);
      const { outcome } = found.query;
      expect(outcome.ok && outcome.value).toBe(answerAt(found.ts, interval));
    };
    const write = async (): Promise<void> => {
      const next = new Map(versions.at(-1));
      const changed = Array.from({ length: 1 + random.below(2) }, () => random.pick(keys));
      for (const one of changed) next.set(one, random.below(1000));
      versions.push(next);
      log.push(wrote(newest(), ...changed));
    };
    for (let step = 0; step < 300; step++) {
      await Promise.all(Array.from({ length: 12 }, (_, i) => (i === 0 || random.chance(0.05) ? write() : ask())));
    }
    expect(served).toBeGreaterThan(100);
  });
});
