import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_COMMIT_SETTINGS } from "../../src/engine/commit/settings.ts";
import type { InternalId } from "../../src/engine/names.ts";
import type { Persistence } from "../../src/engine/persistence.ts";
import { D1Persistence } from "../../src/persistence/d1/d1-persistence.ts";
import { MemoryPersistence } from "../../src/persistence/memory.ts";
import type { FunctionOutcome, MutationCall } from "../../src/protocol/execution.ts";
import { CodedError } from "../../src/shared/coded-error.ts";
import { TransactorService } from "../../src/transactor/service.ts";
import { id, MemoryMark } from "../support/commit-world.ts";
import { testDatabases, type TestDatabases } from "../support/d1.ts";
import { FaultyPersistence } from "../support/faulty-persistence.ts";
import { faultyBinding, type FaultKind } from "../support/proof/faulty-binding.ts";
import { IoTime } from "../support/proof/io-time.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";
import { simpleRules, SimpleTransaction } from "../support/simple-transaction.ts";

/** Mutations through the real service while its storage fails, on virtual time: a stall of 30 s costs nothing. */

const STALL_MS = 30_000;

/**
 * Longest that a caller waits for any answer: reads give up after 10 s and are tried three times, a commit stalls for
 * 10 s, and an unlucky call runs into several of these. HTTP itself gives up after 300 s.
 */
const BOUND_MS = 60_000;

const KINDS: readonly FaultKind[] = ["lost before", "lost after", "later", "overloaded", "reset"];

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(2);
});

afterAll(() => databases.dispose());

/** Storage that fails until it is healed, and the same storage as it is. */
interface Storage {
  readonly faulty: Persistence;
  readonly inner: Persistence;
  readonly heal: () => void;
}

/** Faults at the binding, under the adapter's own time-outs and retries. */
async function d1(time: IoTime, random: SeededRandom): Promise<Storage> {
  const { db } = await databases.create();
  const watched = time.watching(db);
  let sick = true;
  const draw = (): FaultKind | null => {
    if (!sick || !random.chance(0.25)) return null;
    return random.chance(0.1) ? "stall" : random.pick(KINDS);
  };
  const sleep = (ms: number) => time.sleep(ms);
  const broken = faultyBinding(watched, { draw, sleep, stallMs: STALL_MS, laterMs: 700 });
  return {
    faulty: new D1Persistence(broken, { timers: time }),
    inner: new D1Persistence(watched, { timers: time }),
    heal: () => {
      sick = false;
    },
  };
}

/** Faults at the port itself; commits that come later arrive when they will. */
async function memory(time: IoTime, random: SeededRandom): Promise<Storage> {
  const inner = new MemoryPersistence();
  const faulty = new FaultyPersistence(inner);
  faulty.chance(random, 0.25, ["lost before", "lost after", "later", "overloaded", "reset"]);
  let sick = true;
  const stalls = async (): Promise<void> => {
    while (sick) {
      await time.sleep(5_000 + random.below(20_000));
      await faulty.settle();
      if (sick && random.chance(0.5)) faulty.script("commit", { kind: "delay", until: time.sleep(STALL_MS) });
    }
    await faulty.settle();
  };
  void stalls();
  return {
    faulty,
    inner,
    heal: () => {
      sick = false;
      faulty.heal();
    },
  };
}

interface Work {
  readonly id: InternalId;
  readonly client: number;
}

/** Every call inserts a document of its own and counts it in two others. */
function service(persistence: Persistence, time: IoTime, random: SeededRandom, errors: unknown[]): TransactorService {
  return new TransactorService({
    persistence,
    rules: simpleRules,
    mark: new MemoryMark(),
    clock: time,
    random: { bytes: (length) => Uint8Array.from({ length }, () => random.below(256)) },
    jitter: () => random.next(),
    timers: time,
    log: { info: () => undefined, warn: () => undefined, error: (_, error) => errors.push(error) },
    settings: DEFAULT_COMMIT_SETTINGS,
    retentionMs: 600_000,
    background: () => Promise.resolve(false),
    published: () => undefined,
    executor: {
      async execute({ args }, begin) {
        const work = JSON.parse(args) as Work;
        const tx = new SimpleTransaction(begin);
        for (const counter of [id(1), id(100 + work.client)]) {
          const before = await tx.get("work", counter);
          await tx.put("work", counter, { n: (before?.["n"] ?? 0) + 1 });
        }
        tx.insert("work", work.id, { client: work.client, n: 0 });
        return { outcome: { ok: true, value: "null", logLines: [] }, effects: tx.effects() };
      },
    },
  });
}

function call(work: Work, idempotency: MutationCall["idempotency"]): MutationCall {
  return {
    v: 1,
    path: { component: "", module: "work.js", function: `f${work.client % 3}` },
    args: JSON.stringify(work),
    identity: { kind: "none" },
    context: { requestId: "0", ip: null, userAgent: null, scheduledFunctionId: null, caller: "Tester" },
    visibility: "public",
    idempotency,
  };
}

describe.each([
  ["memory", memory],
  ["D1", d1],
])("FAULT1 storage: %s", (name, create) => {
  test(`FAULT1 ${name}: acknowledged = stored once, refused = not stored, unknown = at most once, and an answer in time`, async () => {
    const seed = freshSeed();
    console.info(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const time = new IoTime();
    const storage = await create(time, random);
    const errors: unknown[] = [];
    const transactor = service(storage.faulty, time, random, errors);
    const fates = new Map<InternalId, { readonly client: number; kind: "stored" | "not stored" | "unknown" }>();
    const codes = new Map<string, number>();
    let longest = 0;

    /** One try. `null`: done. Otherwise the code of the refusal. */
    const attempt = async (request: MutationCall): Promise<string | null> => {
      const started = time.now();
      try {
        const outcome = JSON.parse(await transactor.runMutation(request)) as FunctionOutcome;
        expect(outcome.ok).toBe(true);
        return null;
      } catch (error) {
        // Nothing but coded errors that ask to try again.
        if (!(error instanceof CodedError) || !["Overloaded", "RateLimited", "OCC"].includes(error.errorClass))
          throw error;
        codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        return error.code;
      } finally {
        longest = Math.max(longest, time.now() - started);
      }
    };

    const client = async (number: number): Promise<void> => {
      const patient = number % 2 === 0;
      for (let n = 0; n < 12; n++) {
        const work = { id: id(1000 + 100 * number + n), client: number };
        const request = call(work, patient ? { sessionId: `session ${number}`, requestId: `${n}` } : null);
        let refusal = await attempt(request);
        // A client with ids sends again until it knows.
        while (patient && refusal !== null) {
          await time.sleep(500);
          refusal = await attempt(request);
        }
        const kind = refusal === null ? "stored" : refusal === "CommitNotConfirmed" ? "unknown" : "not stored";
        fates.set(work.id, { client: number, kind });
        await time.sleep(random.below(2_000));
      }
    };
    await time.until(Promise.all(Array.from({ length: 12 }, (_, number) => client(number))));
    storage.heal();
    await time.until(time.sleep(120_000));
    // Whatever was on its way has arrived; the next writer sees it.
    const last = { id: id(999), client: 99 };
    expect(await time.until(attempt(call(last, null)))).toBeNull();
    fates.set(last.id, { client: 99, kind: "stored" });
    console.info(name, Object.fromEntries(codes), `longest ${longest} ms`);

    const catalog = await time.until(storage.inner.loadCatalog());
    const table = catalog.tables.find((row) => row.name === "work");
    if (table === undefined) throw new Error("Nothing was stored");
    const interval = { start: "", end: null } as const;
    const read = { kind: "range", tableId: table.id, index: "by_id", interval, order: "asc", limit: 1000 } as const;
    const { results } = await time.until(storage.inner.read([read], "latest"));
    const stored = new Map(results[0].rows.map(({ key, document }) => [String(key), JSON.parse(document.json).n]));
    const counts = new Map<InternalId, number>([[id(1), 0]]);
    for (const [work, { client: number, kind }] of fates) {
      if (kind !== "unknown") expect([work, stored.has(work)]).toEqual([work, kind === "stored"]);
      if (!stored.has(work)) continue;
      counts.set(id(1), (counts.get(id(1)) ?? 0) + 1);
      counts.set(id(100 + number), (counts.get(id(100 + number)) ?? 0) + 1);
    }
    // The counters of what is stored: nothing half done, nothing done twice.
    for (const [counter, n] of counts) expect([counter, stored.get(counter)]).toEqual([counter, n]);
    const sent = [...fates.keys(), ...counts.keys()];
    expect([...stored.keys()].filter((key) => !sent.includes(key as InternalId))).toEqual([]);
    expect(longest).toBeLessThanOrEqual(BOUND_MS);
    expect(codes.size).toBeGreaterThan(0);
    expect(errors).toEqual([]);
  });
});
