import { expect, test } from "vitest";
import { overlay } from "../../../src/engine/commit/overlay.ts";
import { RangeCache } from "../../../src/engine/commit/range-cache.ts";
import { GenerationalCache } from "../../../src/engine/commit/generational-cache.ts";
import type { IndexKey, TableId } from "../../../src/engine/names.ts";
import type { RangeRead, RangeRow, StoredDocument } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { id, seeded } from "../../support/commit-world.ts";

const BASE = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

function document(n: number): StoredDocument {
  return { json: `{"n":${n}}`, size: 10, ts: n as Timestamp };
}

function key(n: number): IndexKey {
  return id(n) as string as IndexKey;
}

function rowsOf(model: ReadonlyMap<IndexKey, StoredDocument>, start: string, end: string | null): RangeRow[] {
  return Array.from(model, ([k, d]) => ({ key: k, document: d }))
    .filter((row) => row.key >= start && (end === null || row.key < end))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

for (const maxBytes of [1_500, 1_000_000]) {
  for (let i = 0; i < 4; i++) {
    const seed = BASE + i;
    test(`CACHE1 whatever a range cache of ${maxBytes} bytes answers is what the index holds (SEED=${seed})`, () => {
      const random = seeded(seed);
      const below = (n: number) => Math.floor(random() * n);
      const model = new Map<IndexKey, StoredDocument>();
      const cache = new RangeCache(maxBytes);
      let hits = 0;
      for (let step = 0; step < 3_000; step++) {
        const start = key(below(60));
        const end = random() < 0.2 ? null : key(below(60));
        const choice = random();
        if (choice < 0.4) {
          const k = key(below(60));
          const value = random() < 0.4 ? null : document(step);
          if (value === null) model.delete(k);
          else model.set(k, value);
          cache.apply("i1", k, value);
        } else if (choice < 0.55) {
          cache.fill("i1", { start, end }, rowsOf(model, start, end));
        } else {
          const order = random() < 0.5 ? "asc" : "desc";
          const limit = 1 + below(8);
          const page = cache.read("i1", { start, end }, order, limit);
          if (page === undefined) continue;
          hits += 1;
          const all = rowsOf(model, start, end);
          if (order === "desc") all.reverse();
          expect(page.rows).toEqual(all.slice(0, limit));
          if (!page.more) expect(all.length).toBeLessThanOrEqual(limit);
          else expect(page.rows).toHaveLength(limit);
        }
        expect(cache.bytes).toBeLessThanOrEqual(maxBytes);
        expect(cache.bytes).toBeGreaterThanOrEqual(0);
      }
      expect(hits).toBeGreaterThan(maxBytes > 10_000 ? 500 : 20);
    });
  }
}

test("CACHE2 a range that grows at one end stays readable there, and its other end can go", () => {
  const cache = new RangeCache(1_000_000);
  cache.fill("i1", { start: "", end: null }, []);
  for (let n = 0; n < 20_000; n++) cache.apply("i1", key(n), document(n));
  expect(cache.bytes).toBeLessThanOrEqual(1_000_000);
  const read = () => cache.read("i1", { start: "", end: null }, "desc", 3);
  const newest = read();
  if (newest !== undefined) expect(newest.rows.map((row) => row.key)).toEqual([key(19_999), key(19_998), key(19_997)]);
  cache.fill(
    "i1",
    { start: key(19_990), end: null },
    rowsOf(new Map(Array.from({ length: 10 }, (_, i) => [key(19_990 + i), document(19_990 + i)])), "", null),
  );
  expect(read()?.rows).toHaveLength(3);
});

test("CACHE3 what is used stays, and the weight stays below the bound", () => {
  const cache = new GenerationalCache<number>(100);
  cache.set("hot", 1, 1);
  for (let n = 0; n < 1_000; n++) {
    cache.set(`k${n}`, n, 1);
    expect(cache.get("hot")).toBe(1);
    expect(cache.weight).toBeLessThanOrEqual(102);
  }
  expect(cache.get("k0")).toBeUndefined();
  expect(cache.get("k999")).toBe(999);
});

test("CACHE4 an overlaid page is the newest state, or asks for a longer one", () => {
  const random = seeded(BASE);
  const below = (n: number) => Math.floor(random() * n);
  for (let round = 0; round < 500; round++) {
    const stored = new Map<IndexKey, StoredDocument>();
    for (let n = 0; n < 20; n++) if (random() < 0.6) stored.set(key(n), document(n));
    const newest = new Map(stored);
    const changes = new Map<IndexKey, StoredDocument | null>();
    for (let n = 0; n < below(8); n++) {
      const k = key(below(20));
      const value = random() < 0.5 ? null : document(100 + n);
      changes.set(k, value);
      if (value === null) newest.delete(k);
      else newest.set(k, value);
    }
    const order = random() < 0.5 ? "asc" : "desc";
    const read: RangeRead = {
      kind: "range",
      tableId: 1 as TableId,
      index: "by_id",
      interval: { start: key(3), end: key(17) },
      order,
      limit: 1 + below(6),
    };
    const sorted = (model: ReadonlyMap<IndexKey, StoredDocument>) => {
      const rows = rowsOf(model, key(3), key(17));
      return order === "asc" ? rows : rows.toReversed();
    };
    const enlarged = read.limit + below(3);
    const base = sorted(stored).slice(0, enlarged);
    const page = overlay(read, { rows: base, more: base.length === enlarged }, false, changes);
    if (page === undefined) {
      expect(base).toHaveLength(enlarged);
      continue;
    }
    expect(page.rows).toEqual(sorted(newest).slice(0, read.limit));
    if (!page.more) expect(sorted(newest).length).toBeLessThanOrEqual(read.limit);
  }
});
