import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { FIXTURES } from "../support/paths.ts";
import { Caller } from "../support/proof/caller.ts";
import { check, type Operation, type Recorded } from "../support/proof/history.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";

/** The whole backend under 32 clients at once; what they saw is checked, not only what is left in the end. */

const CLIENTS = 32;
const MUTATIONS = ["a", "b", "c", "d", "e", "f", "g", "h"];

let backend: TestBackend;
let caller: Caller;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "proof-app") });
  caller = new Caller(backend);
});

afterAll(() => backend?.stop());

function seeded(): SeededRandom {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  return new SeededRandom(seed);
}

function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** Draws operations on `lists` lists of each kind and as many sets; every element is written once. */
class Workload {
  readonly #random: SeededRandom;
  readonly #prefix: string;
  readonly #lists: number;
  #next = 0;

  constructor(random: SeededRandom, prefix: string, lists: number) {
    this.#random = random;
    this.#prefix = prefix;
    this.#lists = lists;
  }

  operations(readOnly: boolean): Operation[] {
    return times(1 + this.#random.below(4), () => this.#operation(readOnly));
  }

  /** Reads all there is. */
  final(): Operation[] {
    return times(this.#lists, (i) => i).flatMap((i): Operation[] => [
      { f: "read", k: this.#key("d", i) },
      { f: "scan", k: this.#key("r", i) },
      { f: "range", k: this.#key("m", i), from: 0, to: 100 },
    ]);
  }

  #operation(readOnly: boolean): Operation {
    const random = this.#random;
    const list = random.below(this.#lists);
    const write = !readOnly && random.chance(0.5);
    const kind = random.pick(["d", "d", "r", "m"]);
    const k = this.#key(kind, list);
    if (kind === "m") {
      // The number before the point is drawn, what comes after makes it unique.
      if (write) return { f: "mark", k, v: random.below(100) + this.#next++ / 1_000_000 };
      const from = random.below(90);
      return { f: random.chance(0.5) ? "range" : "max", k, from, to: from + 1 + random.below(100 - from) };
    }
    if (write) return { f: kind === "d" ? "append" : "push", k, v: this.#next++ };
    return { f: kind === "d" ? "read" : "scan", k };
  }

  #key(kind: string, list: number): string {
    return `${this.#prefix} ${kind}${list}`;
  }
}

/** Runs the workload with all clients and records what each saw. */
async function run(workload: Workload, random: SeededRandom, perClient: number): Promise<Recorded[]> {
  const history: Recorded[] = [];
  const execute = async (operations: readonly Operation[], readOnly: boolean): Promise<void> => {
    const id = history.length;
    const start = performance.now();
    const pending = { id, operations, results: [], fate: "unknown", start, end: Infinity } as const;
    history.push(pending);
    const path = readOnly ? "txn:look" : `txn:${random.pick(MUTATIONS)}`;
    const answer = await caller.call(readOnly ? "query" : "mutation", path, { ops: operations });
    const end = performance.now();
    if (answer.kind === "ok") {
      const results = answer.value as (readonly number[] | null)[];
      history[id] = { ...pending, results, fate: "ok", end };
    } else {
      // Nothing here may fail, except that too many others were faster.
      expect(answer).toMatchObject({ kind: "refused", status: 503, code: "OptimisticConcurrencyControlFailure" });
      history[id] = { ...pending, fate: "failed", end };
    }
  };
  await Promise.all(
    times(CLIENTS, async () => {
      for (let n = 0; n < perClient; n++) {
        const readOnly = random.chance(0.3);
        await execute(workload.operations(readOnly), readOnly);
      }
    }),
  );
  await execute(workload.final(), true);
  return history;
}

test.each([
  ["few", 3, 35],
  ["many", 25, 45],
])("PROOF2 32 clients on %s lists: the recorded history is strictly serializable", async (name, lists, perClient) => {
  const random = seeded();
  const started = performance.now();
  const history = await run(new Workload(random, name, lists), random, perClient);
  const seconds = (performance.now() - started) / 1000;
  const verdict = check(history);
  const committed = history.filter(({ fate }) => fate === "ok").length;
  console.info(`${name}: ${committed} of ${history.length} in ${seconds.toFixed(1)} s, ${verdict.edges} edges`);
  expect(verdict.anomalies).toEqual([]);
  // Otherwise nothing was tried.
  expect(committed).toBeGreaterThan(history.length * 0.8);
  expect(verdict.edges).toBeGreaterThan(history.length);
});

test("P-D-9 50 concurrent mutations that add 1 to one document give 50, and each is answered", async () => {
  await Promise.all(
    times(50, (n) => caller.value("mutation", "work:record", { client: `adder ${n}`, seq: 1, amount: 1 })),
  );
  const { progress } = await caller.value<{ progress: unknown[] }>("query", "work:everything");
  expect(progress).toContainEqual({ client: "everybody", last: 50, total: 50 });
  expect(progress).toHaveLength(51);
});

test("PROOF2 write skew: of two doctors one always stays", async () => {
  const random = seeded();
  let skips = 0;
  await Promise.all(
    times(8, async (pairIndex) => {
      const pair = `pair ${pairIndex}`;
      const ids = await caller.value<readonly [string, string]>("mutation", "doctors:hire", { pair });
      for (let round = 0; round < 12; round++) {
        const leaving = [
          caller.call("mutation", "doctors:leave", { pair, id: ids[0] }),
          caller.call("mutation", "doctors:goHome", { pair, id: ids[1] }),
          ...(random.chance(0.5) ? [caller.call("query", "doctors:onCall", { pair })] : []),
        ];
        const [first, second, during] = await Promise.all(leaving);
        // Exactly one may leave, or with the other's reruns used up, none.
        const left = [first, second].filter((answer) => answer?.kind === "ok" && answer.value === true);
        if (left.length === 0) skips += 1;
        expect(left.length).toBeLessThanOrEqual(1);
        if (during !== undefined) expect(during).toMatchObject({ kind: "ok", value: expect.toSatisfy((n) => n >= 1) });
        expect(await caller.value<number>("query", "doctors:onCall", { pair })).toBe(2 - left.length);
        for (const id of ids) await caller.value("mutation", "doctors:comeBack", { id });
      }
    }),
  );
  expect(skips).toBeLessThan(8 * 12);
});

test("PROOF2 bank transfers conserve the sum in every snapshot, by table and by every index", async () => {
  const random = seeded();
  const names = times(10, (i) => `account ${i}`);
  await caller.value("mutation", "bank:open", { names, balance: 100 });
  let moved = 0;
  let looked = 0;
  await Promise.all(
    times(CLIENTS, async (client) => {
      for (let n = 0; n < 15; n++) {
        if (client % 4 === 0) {
          const { table, byName, byBalance } = await caller.value<Record<string, number[]>>("query", "bank:balances");
          for (const balances of [table, byName, byBalance]) {
            expect(balances).toHaveLength(names.length);
            expect(balances?.reduce((sum, balance) => sum + balance, 0)).toBe(100 * names.length);
          }
          expect(byBalance).toEqual(table?.toSorted((a, b) => a - b));
          expect(byBalance?.[0]).toBeGreaterThanOrEqual(0);
          looked += 1;
        } else {
          const [from, to] = [random.pick(names), random.pick(names)];
          if (from === to) continue;
          const amount = 1 + random.below(80);
          const answer = await caller.call("mutation", "bank:transfer", { from, to, amount });
          if (answer.kind === "ok") moved += answer.value === true ? 1 : 0;
          else expect(answer).toMatchObject({ status: 503, code: "OptimisticConcurrencyControlFailure" });
        }
      }
    }),
  );
  expect(looked).toBe(8 * 15);
  expect(moved).toBeGreaterThan(50);
});

test("PROOF3 the first document of a new table is there for the next query of whatever kind", async () => {
  for (let n = 0; n < 10; n++) {
    const table = `fresh${n}`;
    const id = await caller.value<string>("mutation", "free:add", { table });
    expect(await caller.value("query", "free:count", { table })).toBe(1);
    const next = `batched${n}`;
    await caller.value("mutation", "free:add", { table: next });
    const queries = [next, table].map((name) => ({ path: "free:count", args: { table: name }, format: "json" }));
    const batch = (await (await caller.post("/api/query_batch", { queries })).json()) as { results: unknown };
    expect(batch.results).toEqual([
      { status: "success", value: 1 },
      { status: "success", value: 1 },
    ]);
    expect(await caller.value("query", "free:normalize", { table, id })).toBe(id);
    const last = `last${n}`;
    const lastId = await caller.value<string>("mutation", "free:add", { table: last });
    expect(await caller.value("query", "free:normalize", { table: last, id: lastId })).toBe(lastId);
  }
});
