import { expect, test } from "vitest";
import type { InternalId, TableId } from "../../../src/engine/names.ts";
import { CommitWorld, id, seeded } from "../../support/commit-world.ts";
import { encode, type Fields, type SimpleTransaction } from "../../support/simple-transaction.ts";

/**
 * A history checker: whatever committed, in the order of its timestamps, must read exactly what a plain map run
 * serially would give. This catches lost updates, write skew, phantoms and read-only anomalies alike.
 */
type Operation =
  | { readonly kind: "get"; readonly id: InternalId; readonly saw: Fields | null }
  | { readonly kind: "put"; readonly id: InternalId; readonly fields: Fields | null }
  | { readonly kind: "range"; readonly query: RangeQuery; readonly saw: readonly Fields[] };

interface RangeQuery {
  readonly index: "by_id" | "by_n";
  readonly from: number;
  readonly to: number | null;
  readonly order: "asc" | "desc";
  readonly limit: number;
}

interface Committed {
  readonly ts: number;
  readonly wrote: boolean;
  readonly operations: readonly Operation[];
}

const DOCUMENTS = 12;

async function randomTransaction(tx: SimpleTransaction, random: () => number, pause: () => Promise<void>) {
  const operations: Operation[] = [];
  let wrote = false;
  const written = new Set<InternalId>();
  const steps = 1 + Math.floor(random() * 5);
  for (let step = 0; step < steps; step++) {
    const document = id(1 + Math.floor(random() * DOCUMENTS));
    const choice = random();
    if (choice < 0.35) {
      if (written.has(document)) continue;
      operations.push({ kind: "get", id: document, saw: await tx.get("docs", document) });
    } else if (choice < 0.7) {
      const n = Math.floor(random() * 20);
      const fields = random() < 0.25 ? null : { id: Number.parseInt(document, 16), n };
      await tx.put("docs", document, fields);
      operations.push({ kind: "put", id: document, fields });
      written.add(document);
      wrote = true;
    } else if (written.size === 0) {
      const from = Math.floor(random() * 20);
      const query: RangeQuery = {
        index: random() < 0.5 ? "by_id" : "by_n",
        from,
        to: random() < 0.3 ? null : from + Math.floor(random() * 10),
        order: random() < 0.5 ? "asc" : "desc",
        limit: 1 + Math.floor(random() * 6),
      };
      operations.push({
        kind: "range",
        query,
        saw: await tx.range("docs", query.index, interval(query), query.order, query.limit),
      });
    }
    if (random() < 0.3) await pause();
  }
  return { operations, wrote };
}

function interval({ index, from, to }: RangeQuery) {
  const bound = (n: number): string => (index === "by_id" ? id(n) : encode(n));
  return { start: bound(from), end: to === null ? null : bound(to) };
}

function answerSerially(state: ReadonlyMap<InternalId, Fields>, query: RangeQuery): Fields[] {
  const { start, end } = interval(query);
  const rows = Array.from(state, ([document, fields]) => ({
    key: query.index === "by_id" ? (document as string) : encode(fields["n"] ?? 0) + document,
    fields,
  }))
    .filter(({ key }) => key >= start && (end === null || key < end))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  if (query.order === "desc") rows.reverse();
  return rows.slice(0, query.limit).map(({ fields }) => fields);
}

/** Replays a history; a transaction that wrote nothing comes after the writer at its snapshot. */
function replay(history: readonly Committed[]): Map<InternalId, Fields> {
  const state = new Map<InternalId, Fields>();
  for (const { ts, operations } of history.toSorted((a, b) => a.ts - b.ts || Number(b.wrote) - Number(a.wrote))) {
    for (const operation of operations) {
      if (operation.kind === "get") {
        expect(operation.saw, `get ${operation.id} at ${ts}`).toEqual(state.get(operation.id) ?? null);
      } else if (operation.kind === "range") {
        expect(operation.saw, `range ${JSON.stringify(operation.query)} at ${ts}`).toEqual(
          answerSerially(state, operation.query),
        );
      } else if (operation.fields === null) {
        state.delete(operation.id);
      } else {
        state.set(operation.id, operation.fields);
      }
    }
  }
  return state;
}

/** The table with its index `by_n`, in place before anything concurrent happens. */
async function createTable(world: CommitWorld): Promise<TableId> {
  await world.mutate("setup", async (tx) => tx.table("docs").id);
  const line = await world.time.until(world.life.current());
  const table = line.state.catalog.table("", "docs");
  if (table === undefined) throw new Error("The table was not created");
  await world.time.until(
    line.commitCatalog({
      expectedCatalogTs: line.state.catalog.ts,
      change: {
        upsertIndexes: [
          {
            id: line.ids.index(),
            tableId: table.id,
            name: "by_n",
            definition: { type: "database", fields: ["n"] },
            state: "enabled",
            staged: false,
          },
        ],
      },
    }),
  );
  return table.id;
}

async function run(seed: number, memoryBytes: number, transactions: number): Promise<CommitWorld> {
  const random = seeded(seed);
  const lostBatches = random() < 0.5;
  const gatherMs = random() < 0.5 ? 0 : 8;
  const world = new CommitWorld({
    seed,
    settings: { memoryBytes, gatherMs, maxRetries: 50, backoffMaxMs: 10, queueTimeoutMs: 1e9, commitStallMs: 1e9 },
    script: {
      delay: () => random() * 3,
      commitFate: () => {
        const fate = lostBatches ? random() : 1;
        return fate < 0.05 ? "lost" : fate < 0.1 ? "unanswered" : fate < 0.13 ? "late" : "ok";
      },
    },
  });
  const table = await createTable(world);
  const history: Committed[] = [];
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let i = 0; i < transactions / 8; i++) {
      await world.time.sleep(random() * 4);
      const { ts, value } = await world.start(`f${client % 3}`, (tx) =>
        randomTransaction(tx, random, () => world.time.sleep(random() * 3)),
      );
      history.push({ ts, ...value });
    }
  });
  await world.time.until(Promise.all(clients));
  const expected = replay(history);
  expect(world.store.table(table)).toEqual(expected);
  expect(history).toHaveLength(Math.ceil(transactions / 8) * 8);
  return world;
}

const BASE = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

for (let i = 0; i < 12; i++) {
  const seed = BASE + i;
  test(`OCC1 concurrent transactions equal a serial run in timestamp order (SEED=${seed})`, async () => {
    const world = await run(seed, 64 * 1024 * 1024, 160);
    expect(world.errors).toEqual([]);
  });
}

for (let i = 0; i < 6; i++) {
  const seed = BASE + 100 + i;
  test(`OCC2 a memory bound of a few kilobytes changes nothing but speed (SEED=${seed})`, async () => {
    const world = await run(seed, 4_000, 120);
    expect(world.errors).toEqual([]);
    expect(world.life.alive?.state.bytes).toBeLessThan(8_000);
  });
}

test("OCC1 write skew: of two transactions that each read what the other writes, one runs again", async () => {
  const world = new CommitWorld();
  await world.mutate("setup", async (tx) => {
    tx.insert("docs", id(1), { n: 1 });
    tx.insert("docs", id(2), { n: 1 });
  });
  const goOffCall = (mine: number, other: number) =>
    world.start(`off${mine}`, async (tx) => {
      const colleague = await tx.get("docs", id(other));
      await world.time.sleep(5);
      if (colleague?.["n"] !== 1) return false;
      await tx.put("docs", id(mine), { n: 0 });
      return true;
    });
  const results = await world.time.until(Promise.all([goOffCall(1, 2), goOffCall(2, 1)]));
  expect(results.filter(({ value }) => value)).toHaveLength(1);
});

test("OCC1 phantoms: a document that appears in a range that was read makes the reader run again", async () => {
  const world = new CommitWorld();
  const table = await createTable(world);
  const claim = (document: number) =>
    world.start("claim", async (tx) => {
      const taken = await tx.range("docs", "by_n", { start: encode(7), end: encode(8) }, "asc", 10);
      await world.time.sleep(5);
      if (taken.length > 0) return false;
      tx.insert("docs", id(document), { n: 7 });
      return true;
    });
  const results = await world.time.until(Promise.all([claim(1), claim(2), claim(3)]));
  expect(results.filter(({ value }) => value)).toHaveLength(1);
  expect(world.store.table(table).size).toBe(1);
});

test("OCC1 a limited range depends on nothing beyond its last row", async () => {
  const world = new CommitWorld();
  await createTable(world);
  await world.mutate("setup", async (tx) => {
    for (let n = 1; n <= 5; n++) tx.insert("docs", id(n), { n });
  });
  const first = world.start("first", async (tx) => {
    const rows = await tx.range("docs", "by_n", { start: "", end: null }, "asc", 2);
    await world.time.sleep(5);
    await tx.put("docs", id(1), { n: 0 });
    return rows.length;
  });
  const last = world.start("last", async (tx) => {
    await world.time.sleep(1);
    return tx.put("docs", id(5), { n: 6 });
  });
  await world.time.until(Promise.all([first, last]));
  expect(world.runner.counts.conflicts).toBe(0);
});
