import { describe, expect, test } from "vitest";
import type { IndexId, InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import {
  FencedError,
  OutOfRetentionError,
  type CommitBatch,
  type IndexRow,
  type Persistence,
  type RangePage,
  type RangeRead,
  type TableRow,
} from "../../../src/engine/persistence.ts";
import { EVERYTHING, type Interval } from "../../../src/engine/interval.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { indexKey, INDEXES, internalId, put, remove, TABLE, TestWriter, type Change } from "./writer.ts";

const [A, B] = INDEXES as [IndexId, IndexId, ...IndexId[]];

interface RangeOptions {
  readonly index?: IndexId | "by_id";
  readonly interval?: Interval;
  readonly order?: "asc" | "desc";
  readonly limit?: number;
  readonly maxBytes?: number;
}

export function range({
  index = A,
  interval = EVERYTHING,
  order = "asc",
  limit = 100,
  ...rest
}: RangeOptions = {}): RangeRead {
  return { kind: "range", tableId: TABLE, index, interval, order, limit, ...rest };
}

export function get(n: number) {
  return { kind: "get", tableId: TABLE, id: internalId(n) } as const;
}

function keys(page: RangePage): string[] {
  return page.rows.map(({ key }) => key);
}

async function readOne(persistence: Persistence, n: number, at: Timestamp | "latest" = "latest"): Promise<unknown> {
  const { results } = await persistence.read([get(n)], at);
  return results[0] === null ? null : JSON.parse(results[0].json).body;
}

async function readKeys(
  persistence: Persistence,
  options: RangeOptions = {},
  at: Timestamp | "latest" = "latest",
): Promise<string[]> {
  const { results } = await persistence.read([range(options)], at);
  return keys(results[0]);
}

function id(n: number): string {
  return internalId(n);
}

const USERS: TableRow = { id: TABLE, component: "", name: "users", number: 10_001 as TableNumber };

function indexRow(indexId: number, name: string): IndexRow {
  return {
    id: indexId as IndexId,
    tableId: TABLE,
    name,
    definition: { type: "database", fields: ["a", "_creationTime", "_id"] },
    state: "backfilling",
    staged: false,
  };
}

/** What every implementation of the port does. `create` gives an empty database each time. */
export function persistenceContract(name: string, create: () => Promise<Persistence>): void {
  describe(name, () => {
    describe("snapshots", () => {
      test("PST1 an empty database has a head at 0 that nobody wrote", async () => {
        const { head, results } = await (await create()).read([get(1), range()], "latest");
        expect(head).toEqual({ ts: 0, writer: "", catalogTs: 0, retainedFrom: 0 });
        expect(results).toEqual([null, { rows: [], more: false }]);
      });

      test("PST2 a document reads back as its JSON, size and timestamp", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const json =
          '{"_id":"x","s":"\\u0000\\\\u0041\\ud800 \\"q\\" é 😀 \u2028","n":-0,"d":1e21,"o":{"":[null,true]},"e":{}}';
        const [ts] = await writer.commit([[{ id: internalId(1), fields: [], json }]]);
        const { head, results } = await persistence.read([get(1)], "latest");
        expect(results).toEqual([{ json, size: json.length, ts }]);
        expect(head).toEqual({ ts, writer: "w1", catalogTs: 0, retainedFrom: 0 });
      });

      test("PST3 a read at an older timestamp sees the version of that time", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const [t1] = await writer.commit([[put(1, ["10"], "one")]]);
        const [t2] = await writer.commit([[put(1, ["20"], "two")]]);
        const [t3] = await writer.commit([[remove(1)]]);
        const [t4] = await writer.commit([[put(1, ["10"], "four")]]);
        const seen = [];
        for (const at of [0 as Timestamp, t1, t2, t3, t4]) {
          if (at === undefined) throw new Error("no timestamp");
          seen.push([await readOne(persistence, 1, at), await readKeys(persistence, {}, at)]);
        }
        expect(seen).toEqual([
          [null, []],
          ["one", [`10${id(1)}`]],
          ["two", [`20${id(1)}`]],
          [null, []],
          ["four", [`10${id(1)}`]],
        ]);
        await expect(readOne(persistence, 1)).resolves.toBe("four");
      });

      test("PST4 an entry follows its document: a new version is seen without a new entry", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const [t1] = await writer.commit([[put(1, ["10"], "one")]]);
        await writer.commit([[put(1, ["10"], "two")]]);
        const bodies = [];
        for (const at of [t1 as Timestamp, "latest"] as const) {
          const { results } = await persistence.read([range()], at);
          bodies.push(results[0].rows.map(({ document }) => JSON.parse(document.json).body));
        }
        expect(bodies).toEqual([["one"], ["two"]]);
      });

      test("PST5 all reads of one call share a snapshot and answer in the order asked", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const [ts] = await writer.commit([[put(1, ["10"], "one"), put(2, ["20"], "two"), put(3, ["30"], "three")]]);
        const { head, results } = await persistence.read(
          [get(2), range({ limit: 1 }), get(9), range({ order: "desc", limit: 1 }), get(1), get(2)],
          "latest",
        );
        expect(head.ts).toBe(ts);
        const [two, first, none, last, one, twoAgain] = results;
        expect(JSON.parse(two?.json ?? "").body).toBe("two");
        expect(keys(first)).toEqual([`10${id(1)}`]);
        expect(none).toBeNull();
        expect(keys(last)).toEqual([`30${id(3)}`]);
        expect(JSON.parse(one?.json ?? "").body).toBe("one");
        expect(twoAgain).toEqual(two);
      });

      test("PST6 no reads answer the head alone", async () => {
        const persistence = await create();
        const [ts] = await new TestWriter(persistence).commit([[put(1, [])]]);
        const { head, results } = await persistence.read([], "latest");
        expect([head.ts, results]).toEqual([ts, []]);
      });

      test("PST7 a snapshot beyond the head is a bug of the caller", async () => {
        const persistence = await create();
        await expect(persistence.read([get(1)], 5 as Timestamp)).rejects.toThrow("newer than the head");
      });

      test("PST8 tables don't share documents", async () => {
        const persistence = await create();
        await new TestWriter(persistence).commit([[put(1, ["10"])]]);
        const other = { kind: "get", tableId: 2 as TableId, id: internalId(1) } as const;
        expect((await persistence.read([other], "latest")).results).toEqual([null]);
      });
    });

    describe("ranges", () => {
      /** Ten documents, keys 00…09 in A, and in B the other way round. */
      async function ten(): Promise<{ persistence: Persistence; writer: TestWriter }> {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([Array.from({ length: 10 }, (_, n) => put(n, [`0${n}`, `0${9 - n}`], n))]);
        return { persistence, writer };
      }

      test("PST10 a range is in byte order of its keys, in either direction, per index", async () => {
        const { persistence } = await ten();
        const ascending = Array.from({ length: 10 }, (_, n) => `0${n}${id(n)}`);
        await expect(readKeys(persistence)).resolves.toEqual(ascending);
        await expect(readKeys(persistence, { order: "desc" })).resolves.toEqual(ascending.toReversed());
        await expect(readKeys(persistence, { index: B, limit: 2 })).resolves.toEqual([`00${id(9)}`, `01${id(8)}`]);
      });

      test("PST11 start is inclusive, end exclusive, and bounds may be prefixes", async () => {
        const { persistence } = await ten();
        const cases: [Interval, number[]][] = [
          [{ start: "03", end: "05" }, [3, 4]],
          [{ start: "03", end: "03" }, []],
          [{ start: "05", end: "03" }, []],
          [{ start: `03${id(3)}`, end: `04${id(4)}` }, [3]],
          [{ start: `03${id(4)}`, end: null }, [4, 5, 6, 7, 8, 9]],
          [{ start: "", end: `02${id(2)}00` }, [0, 1, 2]],
        ];
        for (const [interval, expected] of cases) {
          const wanted = expected.map((n) => `0${n}${id(n)}`);
          await expect(readKeys(persistence, { interval })).resolves.toEqual(wanted);
          await expect(readKeys(persistence, { interval, order: "desc" })).resolves.toEqual(wanted.toReversed());
        }
      });

      test("PST12 limit counts live keys, and `more` is false only at the end", async () => {
        const { persistence, writer } = await ten();
        await writer.commit([[remove(0), remove(1), put(3, ["55"]), remove(9)]]);
        for (const order of ["asc", "desc"] as const) {
          const { results } = await persistence.read(
            [
              range({ order, limit: 3 }),
              range({ order, limit: 8 }),
              range({ order, limit: 7 }),
              range({ order, limit: 6 }),
            ],
            "latest",
          );
          expect(results[0].rows).toHaveLength(3);
          expect(results[0].more).toBe(true);
          expect(results[1].rows).toHaveLength(7);
          expect(results[1].more).toBe(false);
          expect(results[2].rows).toHaveLength(7);
          expect(results[3].more).toBe(true);
        }
        await expect(readKeys(persistence)).resolves.toEqual([
          `02${id(2)}`,
          ...[4, 5, 6, 7, 8].map((n) => `0${n}${id(n)}`),
          `55${id(3)}`,
        ]);
      });

      test("PST13 by_id reads the documents of a table by internal id", async () => {
        const { persistence, writer } = await ten();
        const [ts] = await writer.commit([[put(4, ["99"], "new"), remove(5)]]);
        const interval = { start: id(3), end: id(8) };
        for (const [at, expected] of [
          ["latest", [3, "new", 6, 7]],
          [(Number(ts) - 10) as Timestamp, [3, 4, 5, 6, 7]],
        ] as const) {
          const { results } = await persistence.read(
            [range({ index: "by_id", interval }), range({ index: "by_id", interval, order: "desc", limit: 2 })],
            at,
          );
          const bodies = results[0].rows.map(({ document }) => JSON.parse(document.json).body);
          expect(bodies).toEqual(expected);
          expect(results[1].rows.map(({ document }) => JSON.parse(document.json).body)).toEqual(
            expected.slice(-2).toReversed(),
          );
          expect(results[1].more).toBe(true);
        }
        await expect(readKeys(persistence, { index: "by_id", limit: 2 })).resolves.toEqual([id(0), id(1)]);
      });

      test("PST16 a page of more than 20 rows ends with the document that makes its sizes reach maxBytes", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        // Sizes grow from about 1,000 to 40,000 bytes.
        const changes = Array.from({ length: 40 }, (_, n) =>
          put(n, [(10 + n).toString()], "x".repeat(1_000 * (n + 1))),
        );
        await writer.commit([changes]);
        await writer.commit([[put(0, ["10"], "newer"), remove(1)]]);
        for (const index of [A, "by_id"] as const) {
          for (const order of ["asc", "desc"] as const) {
            const [whole, ...pages] = (
              await persistence.read(
                [
                  range({ index, order }),
                  range({ index, order, maxBytes: 30_000 }),
                  range({ index, order, maxBytes: 1 }),
                  range({ index, order, limit: 21, maxBytes: 30_000 }),
                  range({ index, order, limit: 20, maxBytes: 30_000 }),
                ],
                "latest",
              )
            ).results;
            expect(whole).toMatchObject({ rows: { length: 39 }, more: false });
            let bytes = 0;
            const fitting = whole.rows.filter(({ document }) => {
              const fits = bytes < 30_000;
              bytes += document.size;
              return fits;
            });
            expect(fitting.length).toBeLessThan(20);
            expect(pages).toEqual([
              { rows: fitting, more: true },
              { rows: whole.rows.slice(0, 1), more: true },
              { rows: fitting, more: true },
              { rows: whole.rows.slice(0, 20), more: true },
            ]);
          }
        }
      });

      test("PST17 a table of 1 MiB documents is read in pages of 4 MiB", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        for (let n = 0; n < 12; n++) await writer.commit([[put(n, [(10 + n).toString()], "x".repeat(1 << 20))]]);
        for (const index of [A, "by_id"] as const) {
          const seen: string[] = [];
          let start = "";
          for (;;) {
            const { results } = await persistence.read([range({ index, interval: { start, end: null } })], "latest");
            seen.push(...keys(results[0]));
            expect(results[0].rows.length).toBeLessThanOrEqual(4);
            if (!results[0].more) break;
            start = `${keys(results[0]).at(-1)}00`;
          }
          expect(seen).toHaveLength(12);
        }
      });

      test("PST14 keys with 00 and FF bytes sort as bytes", async () => {
        const persistence = await create();
        const fields = ["", "00", "0000", "0001", "00FF", "01", "7F", "80", "FE", "FF", "FF00", "FFFF", "FFFFFF"];
        await new TestWriter(persistence).commit([fields.map((field, n) => put(n + 1, [field]))]);
        const expected = fields.map((field, n) => `${field}${id(n + 1)}`).toSorted();
        await expect(readKeys(persistence)).resolves.toEqual(expected);
        await expect(readKeys(persistence, { order: "desc" })).resolves.toEqual(expected.toReversed());
        await expect(readKeys(persistence, { interval: { start: "FFFF", end: null } })).resolves.toEqual(
          expected.filter((key) => key >= "FFFF"),
        );
      });

      test("PST15 ids with 00 and FF bytes are told apart", async () => {
        const persistence = await create();
        const ids = ["00".repeat(16), `${"00".repeat(15)}FF`, `FF${"00".repeat(15)}`, "FF".repeat(16)];
        await new TestWriter(persistence).commit([
          ids.map((text): Change => ({ id: text as InternalId, fields: ["AA"], body: text })),
        ]);
        const { results } = await persistence.read([range(), range({ index: "by_id" })], "latest");
        expect(results[0].rows.map(({ document }) => JSON.parse(document.json).body)).toEqual(ids);
        expect(keys(results[1])).toEqual(ids);
      });
    });

    describe("commits", () => {
      test("PST20 a group is stored as a whole, at the timestamps of its transactions", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([[put(1, ["10"], "old")]]);
        const times = await writer.commit([
          [put(1, ["20"], "mid"), put(2, ["20"], "two")],
          [put(1, ["30"], "new"), put(3, ["30"], "gone")],
          [remove(3)],
        ]);
        const { head, results } = await persistence.read([get(1), get(2), get(3), range()], "latest");
        expect(head.ts).toBe(times[2]);
        expect(results[0]?.ts).toBe(times[1]);
        expect(results[1]?.ts).toBe(times[0]);
        expect(results[2]).toBeNull();
        expect(keys(results[3])).toEqual([`20${id(2)}`, `30${id(1)}`]);
      });

      test("PST21 a fenced batch stores nothing", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([[put(1, ["10"], "mine")]]);
        const good = writer.batch([[put(1, ["20"], "other"), put(2, ["20"])]], {
          catalog: { upsertTables: [USERS], values: [{ key: "k", value: 1 }] },
          outcomes: [{ sessionId: "s", requestId: "1", outcome: "{}" }],
        });
        const wrongTs: CommitBatch = { ...good, expected: { ...good.expected, ts: 1 as Timestamp } };
        const wrongWriter: CommitBatch = { ...good, expected: { ...good.expected, writer: "w0" } };
        for (const batch of [wrongTs, wrongWriter]) {
          await expect(persistence.commit(batch)).rejects.toThrow(FencedError);
        }
        await expect(readOne(persistence, 1)).resolves.toBe("mine");
        await expect(readOne(persistence, 2)).resolves.toBeNull();
        await expect(readKeys(persistence)).resolves.toEqual([`10${id(1)}`]);
        expect((await persistence.loadCatalog()).tables).toEqual([]);
        await expect(persistence.outcome("s", "1")).resolves.toBeNull();
        await expect(persistence.log(0 as Timestamp, 10)).resolves.toHaveLength(1);
        await expect(persistence.commit(good)).resolves.toBeUndefined();
      });

      test("PST22 of two writers with the same head one wins, and the other loses every later batch", async () => {
        const persistence = await create();
        const first = new TestWriter(persistence, "first");
        await first.commit([[put(1, ["10"], "first")]]);
        const second = new TestWriter(persistence, "second", first);
        await second.commit([[put(1, ["20"], "second")]]);
        const late = first.batch([[put(1, ["30"], "late")]]);
        await expect(persistence.commit(late)).rejects.toThrow(FencedError);
        await expect(persistence.commit({ ...late, ts: (late.ts + 100) as Timestamp })).rejects.toThrow(FencedError);
        await second.commit([[put(2, ["40"])]]);
        await expect(readOne(persistence, 1)).resolves.toBe("second");
        expect((await persistence.read([], "latest")).head.writer).toBe("second");
      });

      test("PST23 two writers at once: exactly one of the racing batches is stored", async () => {
        const persistence = await create();
        const a = new TestWriter(persistence, "a");
        const b = new TestWriter(persistence, "b");
        const outcomes = await Promise.allSettled([
          persistence.commit(a.batch([[put(1, ["10"], "a")]])),
          persistence.commit(b.batch([[put(1, ["20"], "b")]])),
        ]);
        const winners = outcomes.map(({ status }, i) => (status === "fulfilled" ? "ab"[i] : null));
        expect(winners.filter((winner) => winner !== null)).toHaveLength(1);
        const { head, results } = await persistence.read([get(1)], "latest");
        expect(JSON.parse(results[0]?.json ?? "").body).toBe(winners.find((winner) => winner !== null));
        expect(winners).toContain(head.writer);
      });

      test("PST24 sending the identical batch twice stores it once", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const batch = writer.batch([[put(1, ["10"], "once")]], {
          outcomes: [{ sessionId: "s", requestId: "1", outcome: '"a"' }],
        });
        await persistence.commit(batch);
        await expect(persistence.commit(batch)).rejects.toThrow(FencedError);
        await expect(readKeys(persistence)).resolves.toEqual([`10${id(1)}`]);
        await expect(persistence.log(0 as Timestamp, 10)).resolves.toHaveLength(1);
        const { head } = await persistence.read([], "latest");
        expect([head.ts, head.writer]).toEqual([batch.ts, batch.writer]);
      });

      test("PST25 a commit of 5,000 documents is stored whole", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const field = (n: number): string => n.toString(16).toUpperCase().padStart(4, "0");
        const body = "x".repeat(500);
        await writer.commit([Array.from({ length: 5_000 }, (_, n) => put(n, [field(n)], body))]);
        const { results } = await persistence.read([range({ limit: 6_000 })], "latest");
        expect(keys(results[0])).toEqual(Array.from({ length: 5_000 }, (_, n) => `${field(n)}${id(n)}`));
        expect(results[0].more).toBe(false);
      });

      test.each([1_899_999, 1_900_001, 1_999_999, 2_000_001, 4_000_000])(
        "PST26 a document of %i bytes of JSON reads back by point, by index and by id",
        async (bytes) => {
          const persistence = await create();
          const writer = new TestWriter(persistence);
          const frame = '{"s":""}'.length;
          const json = `{"s":"${"é".repeat(5)}😀${"x".repeat(bytes - frame - 14)}"}`;
          expect(Buffer.byteLength(json)).toBe(bytes);
          await writer.commit([[{ id: internalId(1), fields: ["10"], json }]]);
          const { results } = await persistence.read([get(1), get(1), range(), range({ index: "by_id" })], "latest");
          const [point, again, entries, byId] = results;
          expect(
            [point, again, entries.rows[0]?.document, byId.rows[0]?.document].map((d) => d?.json === json),
          ).toEqual([true, true, true, true]);
          expect(point?.size).toBe(json.length);
        },
      );

      test("PST27 a document of 1 MiB of control characters reads back", async () => {
        const persistence = await create();
        const json = JSON.stringify({ s: "\u0001".repeat(1_048_000) });
        expect(json.length).toBeGreaterThan(6_000_000);
        const writer = new TestWriter(persistence);
        await writer.commit([[{ id: internalId(1), fields: ["10"], json }]]);
        await writer.commit([[put(1, ["10"], "short")]]);
        const old = (writer.head.ts - 10) as Timestamp;
        expect((await persistence.read([get(1)], old)).results[0]?.json === json).toBe(true);
        await expect(readOne(persistence, 1)).resolves.toBe("short");
      });

      test("PST28 many long documents in one commit read back", async () => {
        const persistence = await create();
        const texts = Array.from({ length: 12 }, (_, n) => String(n).repeat(400_000));
        await new TestWriter(persistence).commit([texts.map((text, n) => put(n, [`${10 + n}`], text))]);
        const { results } = await persistence.read([range({ maxBytes: 1 << 26 })], "latest");
        const bodies = results[0].rows.map(({ document }) => JSON.parse(document.json).body);
        expect(bodies).toHaveLength(12);
        expect(bodies.every((body, i) => body === texts[i])).toBe(true);
      });
    });

    describe("log and outcomes", () => {
      test("PST30 the log gives transactions after a timestamp, oldest first, page by page", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const times: Timestamp[] = [];
        for (let n = 0; n < 40; n++) times.push(...(await writer.commit([[put(n, ["10"])], [put(n, ["20"])]])));
        const seen: Timestamp[] = [];
        for (let after = 0 as Timestamp; ;) {
          const page = await persistence.log(after, 7);
          if (page.length === 0) break;
          expect(page.length).toBeLessThanOrEqual(7);
          seen.push(...page.map(({ ts }) => ts));
          after = page.at(-1)?.ts ?? after;
        }
        expect(seen).toEqual(times);
        const all = await persistence.log(0 as Timestamp, 1_000);
        expect(all.map(({ ts }) => ts)).toEqual(times);
        expect(all[1]?.keys).toEqual([
          ["t1", id(0)],
          ["i11", `10${id(0)}`],
          ["i11", `20${id(0)}`],
        ]);
        await expect(persistence.log(writer.head.ts, 10)).resolves.toEqual([]);
      });

      test("PST31 a transaction with 4 MB of keys comes out of the log whole", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([[put(1, ["10"])]]);
        const long = "AB".repeat(1_000);
        const batch = writer.batch([Array.from({ length: 2_000 }, (_, n) => put(n, [long])), [put(1, ["11"])]]);
        await persistence.commit(batch);
        const log = await persistence.log(0 as Timestamp, 10);
        expect(log).toHaveLength(3);
        expect(log.slice(1)).toEqual(batch.transactions);
        await expect(persistence.log(batch.transactions[0]?.ts ?? batch.ts, 10)).resolves.toEqual([
          batch.transactions[1],
        ]);
      });

      test("PST34 who knows a head is told the present one and all that was committed in between", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([[put(1, ["10"])]]);
        const { head: known } = await persistence.read([], "latest");
        await expect(persistence.follow(known)).resolves.toEqual({ head: known, transactions: [] });
        await writer.commit([[put(2, ["20"])], [put(1, ["11"])]]);
        await writer.commit([[remove(2)]]);
        const { head } = await persistence.read([], "latest");
        const transactions = await persistence.log(known.ts, 10);
        expect(transactions).toHaveLength(3);
        await expect(persistence.follow(known)).resolves.toEqual({ head, transactions });
      });

      test("PST35 a head that clean-up has passed can't be followed, and one right at its border can", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([[put(1, ["10"])]]);
        const { head: old } = await persistence.read([], "latest");
        await writer.commit([[put(1, ["20"])]]);
        const { head: border } = await persistence.read([], "latest");
        await writer.commit([[put(1, ["30"])]]);
        await persistence.prune(border.ts, 1000);
        expect((await persistence.follow(old)).transactions).toBeNull();
        expect((await persistence.follow(border)).transactions).toHaveLength(1);
      });

      test("PST36 a head is followed over a change of writers, unless this database never had it", async () => {
        const persistence = await create();
        const first = new TestWriter(persistence, "first");
        await first.commit([[put(1, ["10"])]]);
        const { head: known } = await persistence.read([], "latest");
        const second = new TestWriter(persistence, "second", first);
        await second.commit([[put(2, ["20"])]]);
        expect((await persistence.follow(known)).transactions).toHaveLength(1);
        const foreign = { ...known, ts: (known.ts + 5) as Timestamp };
        expect((await persistence.follow(foreign)).transactions).toBeNull();
        const newer = { ...known, ts: (known.ts + 1000) as Timestamp };
        expect((await persistence.follow(newer)).transactions).toBeNull();
      });

      test("PST32 an outcome is found by both its ids, exactly as recorded", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const long = JSON.stringify("é\u0001😀".repeat(400_000));
        const [ts] = await writer.commit([[]], {
          outcomes: [
            { sessionId: "s", requestId: "1", outcome: '{ "a": [1, "\\u00e9"] }' },
            { sessionId: "s", requestId: "2", outcome: long },
          ],
        });
        await expect(persistence.outcome("s", "1")).resolves.toEqual({
          sessionId: "s",
          requestId: "1",
          ts,
          outcome: '{ "a": [1, "\\u00e9"] }',
        });
        expect((await persistence.outcome("s", "2"))?.outcome === long).toBe(true);
        await expect(persistence.outcome("s", "3")).resolves.toBeNull();
        await expect(persistence.outcome("t", "1")).resolves.toBeNull();
      });
    });

    test("PST33 an outcome is found for two days, and then removed by clean-up", async () => {
      const persistence = await create();
      const writer = new TestWriter(persistence);
      const day = 24 * 60 * 60 * 1_000_000;
      const commitAt = async (ts: number, requestId: string): Promise<void> => {
        const batch = writer.batch([[]]);
        const outcome = { sessionId: "s", requestId, ts: ts as Timestamp, outcome: `"${requestId}"` };
        const moved = { ...batch, ts: ts as Timestamp, transactions: [], outcomes: [outcome] };
        await persistence.commit(moved);
        writer.committed(moved);
      };
      await commitAt(20 * day + 1, "old");
      await commitAt(22 * day + 1, "new");
      while (await persistence.prune(writer.head.ts, 100)) {
        // Until there is no more.
      }
      await expect(persistence.outcome("s", "old")).resolves.toMatchObject({ outcome: '"old"' });
      await commitAt(23 * day + 1, "newer");
      while (await persistence.prune(writer.head.ts, 100)) {
        // Until there is no more.
      }
      await expect(persistence.outcome("s", "old")).resolves.toBeNull();
      await expect(persistence.outcome("s", "new")).resolves.toMatchObject({ ts: 22 * day + 1, outcome: '"new"' });
      await expect(persistence.outcome("s", "newer")).resolves.toMatchObject({ outcome: '"newer"' });
    });

    describe("catalog", () => {
      test("PST40 tables, indexes and values are stored with the commit and set catalogTs", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const search: IndexRow = {
          ...indexRow(12, "search"),
          definition: { type: "search", searchField: "body", filterFields: ["a"] },
          staged: true,
        };
        const [t1] = await writer.commit([[]], {
          catalog: {
            upsertTables: [USERS],
            upsertIndexes: [indexRow(11, "by_a"), search],
            values: [
              { key: "app", value: { version: 1, list: [null, "x"] } },
              { key: "env", value: "e" },
            ],
          },
        });
        await writer.commit([[put(1, ["10"])]]);
        const catalog = await persistence.loadCatalog();
        expect(catalog.head).toEqual({ ts: writer.head.ts, writer: "w1", catalogTs: t1, retainedFrom: 0 });
        expect(catalog.tables).toEqual([USERS]);
        expect(catalog.indexes).toEqual([indexRow(11, "by_a"), search]);
        expect(catalog.values).toEqual(
          new Map<string, unknown>([
            ["app", { version: 1, list: [null, "x"] }],
            ["env", "e"],
          ]),
        );
        expect((await persistence.read([], "latest")).head.catalogTs).toBe(t1);
      });

      test("PST41 later changes replace rows in place, and null removes a value", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const long = "v".repeat(3_000_000);
        await writer.commit([[]], {
          catalog: {
            upsertTables: [USERS],
            upsertIndexes: [indexRow(11, "by_a")],
            values: [
              { key: "a", value: long },
              { key: "b", value: 1 },
              { key: "c", value: 1 },
            ],
          },
        });
        expect((await persistence.loadCatalog()).values.get("a") === long).toBe(true);
        const [t2] = await writer.commit([[]], {
          catalog: {
            upsertTables: [{ ...USERS, name: "people" }],
            upsertIndexes: [{ ...indexRow(11, "by_a"), state: "enabled" }],
            values: [
              { key: "a", value: "short" },
              { key: "b", value: null },
            ],
          },
        });
        const catalog = await persistence.loadCatalog();
        expect(catalog.head.catalogTs).toBe(t2);
        expect(catalog.tables).toEqual([{ ...USERS, name: "people" }]);
        expect(catalog.indexes).toEqual([{ ...indexRow(11, "by_a"), state: "enabled" }]);
        expect([...catalog.values]).toEqual([
          ["a", "short"],
          ["c", 1],
        ]);
      });

      test("PST42 the largest ids ever used survive the rows that had them", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        expect(await persistence.loadCatalog()).toMatchObject({ maxTableId: 0, maxIndexId: 0 });
        await writer.commit([[]], {
          catalog: {
            upsertTables: [{ ...USERS, id: 7 as TableId }],
            upsertIndexes: [indexRow(20, "x"), indexRow(3, "y")],
          },
        });
        await writer.commit([[]], { catalog: { dropIndexes: [20 as IndexId], upsertTables: [USERS] } });
        const catalog = await persistence.loadCatalog();
        expect(catalog).toMatchObject({ maxTableId: 7, maxIndexId: 20 });
        expect(catalog.indexes.map((index) => index.id)).toEqual([3]);
      });
    });

    describe("back-fill", () => {
      const NEW = 30 as IndexId;
      const entry = (n: number, field: string, ts: number) => ({
        indexId: NEW,
        key: indexKey(field, internalId(n)),
        ts: ts as Timestamp,
        deleted: false,
      });

      test("PST50 inserts entries, keeps those that a commit wrote, and may be repeated", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const [t1] = await writer.commit([[put(1, []), put(2, []), put(3, [])]]);
        const readAt = Number(t1);
        const batch = writer.batch([[put(1, [], "moved"), remove(2)]]);
        const ts = batch.ts;
        await persistence.commit({
          ...batch,
          entries: [
            { ...entry(1, "10", ts), deleted: true },
            entry(1, "15", ts),
            { ...entry(2, "20", ts), deleted: true },
          ],
        });
        const entries = [entry(1, "10", readAt), entry(2, "20", readAt), entry(3, "30", readAt)];
        await persistence.backfill(entries.slice(0, 2), t1 as Timestamp);
        await persistence.backfill(entries, t1 as Timestamp);
        await persistence.backfill(entries, t1 as Timestamp);
        await expect(readKeys(persistence, { index: NEW })).resolves.toEqual([`15${id(1)}`, `30${id(3)}`]);
        await expect(persistence.removeIndexEntries(NEW, 100)).resolves.toBe(6);
      });

      test("PST51 is refused when its snapshot is out of retention: a tombstone may be gone", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const [t1] = await writer.commit([[put(1, [])]]);
        const batch = writer.batch([[remove(1)]]);
        await persistence.commit({ ...batch, entries: [{ ...entry(1, "10", batch.ts), deleted: true }] });
        await persistence.prune(batch.ts, 100);
        await expect(persistence.backfill([entry(1, "10", Number(t1))], t1 as Timestamp)).rejects.toThrow(
          OutOfRetentionError,
        );
        await expect(readKeys(persistence, { index: NEW })).resolves.toEqual([]);
      });

      test("PST52 removes entries of a dropped index in steps and no others", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([Array.from({ length: 5 }, (_, n) => put(n, ["10", "20"]))]);
        const removed = [];
        for (let i = 0; i < 4; i++) removed.push(await persistence.removeIndexEntries(A, 2));
        expect(removed).toEqual([2, 2, 1, 0]);
        await expect(readKeys(persistence)).resolves.toEqual([]);
        await expect(readKeys(persistence, { index: B })).resolves.toHaveLength(5);
      });
    });

    describe("dropped tables", () => {
      test("PST53 one commit gives the name and number of a dropped table to another", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const staged = { ...USERS, id: 2 as TableId, component: "~x~" };
        await writer.commit([[put(1, ["10"])]], {
          catalog: { upsertTables: [USERS, staged], upsertIndexes: [indexRow(11, "by_a")] },
        });
        const taken = { ...staged, component: "" };
        const change = { upsertTables: [taken], dropTables: [TABLE], dropIndexes: [A] };
        await writer.commit([[]], { catalog: change });
        const catalog = await persistence.loadCatalog();
        expect([catalog.tables, catalog.indexes, catalog.maxTableId]).toEqual([[taken], [], 2]);
        // Snapshots that began before still read it.
        await expect(persistence.read([get(1)], "latest")).resolves.not.toMatchObject({ results: [null] });
      });

      test("PST54 documents of a dropped table are removed in steps, every version, and no others", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const long = "x".repeat(2_500_000);
        await writer.commit([[put(1, ["10"]), put(2, ["20"]), put(3, ["30"], long)]]);
        await writer.commit([[put(1, ["10"], "again"), remove(2)]]);
        await expect(persistence.removeDocuments(2 as TableId, 10)).resolves.toBe(0);
        const removed = [];
        for (let i = 0; i < 4; i++) removed.push(await persistence.removeDocuments(TABLE, 2));
        expect(removed).toEqual([2, 2, 1, 0]);
        await expect(persistence.read([get(1), get(3)], "latest")).resolves.toMatchObject({ results: [null, null] });
      });
    });

    describe("clean-up", () => {
      test("PST60 moves retainedFrom, never back and never beyond the head", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const [t1] = await writer.commit([[put(1, ["10"])]]);
        const [t2] = await writer.commit([[put(1, ["20"])]]);
        const retained = async () => (await persistence.read([], "latest")).head.retainedFrom;
        await persistence.prune(t1 as Timestamp, 100);
        expect(await retained()).toBe(t1);
        await persistence.prune(0 as Timestamp, 100);
        expect(await retained()).toBe(t1);
        await persistence.prune((Number(t2) + 1_000) as Timestamp, 100);
        expect(await retained()).toBe(t2);
        await writer.commit([[put(1, ["30"])]]);
        await expect(readKeys(persistence)).resolves.toEqual([`30${id(1)}`]);
      });

      test("PST61 reads and the log refuse what is older than retainedFrom", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const [t1] = await writer.commit([[put(1, ["10"], "one")]]);
        const [t2] = await writer.commit([[put(1, ["20"], "two")]]);
        await writer.commit([[put(1, ["30"], "three")]]);
        await persistence.prune(t2 as Timestamp, 100);
        await expect(persistence.read([get(1)], t1 as Timestamp)).rejects.toThrow(OutOfRetentionError);
        await expect(persistence.log(t1 as Timestamp, 10)).rejects.toThrow(OutOfRetentionError);
        await expect(readOne(persistence, 1, t2)).resolves.toBe("two");
        await expect(persistence.log(t2 as Timestamp, 10)).resolves.toHaveLength(1);
      });

      test("PST62 every snapshot from retainedFrom on reads as before, and removed rows stay removed", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        const times: Timestamp[] = [];
        times.push(...(await writer.commit([[put(1, ["10"], 1), put(2, ["10"], 1), put(3, ["10"], 1)]])));
        times.push(...(await writer.commit([[put(1, ["20"], 2), remove(2)]])));
        times.push(...(await writer.commit([[put(1, ["10"], 3)], [put(2, ["30"], 3)]])));
        times.push(...(await writer.commit([[remove(1)]])));
        times.push(...(await writer.commit([[put(1, ["10"], 5)]])));
        for (const [i, before] of times.entries()) {
          const later = times.slice(i);
          const expected = [];
          for (const at of later) expected.push(await snapshot(persistence, at));
          while (await persistence.prune(before, 1)) {
            // One log row a step, until there is no more.
          }
          const seen = [];
          for (const at of later) seen.push(await snapshot(persistence, at));
          expect(seen).toEqual(expected);
        }
      });

      test("PST63 clean-up goes in steps and says when it is done", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        for (let n = 0; n < 30; n++) await writer.commit([[put(1, ["10"], n), put(2, [`${10 + n}`], n)]]);
        let steps = 1;
        while (await persistence.prune(writer.head.ts, 10)) steps++;
        expect(steps).toBeGreaterThan(3);
        await expect(persistence.prune(writer.head.ts, 10)).resolves.toBe(false);
        await expect(readOne(persistence, 1)).resolves.toBe(29);
        await expect(readKeys(persistence)).resolves.toEqual([`10${id(1)}`, `39${id(2)}`]);
        await expect(persistence.removeIndexEntries(A, 1_000)).resolves.toBe(2);
      });

      test("PST64 a long document leaves nothing behind", async () => {
        const persistence = await create();
        const writer = new TestWriter(persistence);
        await writer.commit([[put(1, ["10"], "x".repeat(3_000_000))]]);
        await writer.commit([[put(1, ["10"], "y".repeat(3_000_000))]]);
        while (await persistence.prune(writer.head.ts, 100)) {
          // Until there is no more.
        }
        expect((await readOne(persistence, 1)) === "y".repeat(3_000_000)).toBe(true);
      });
    });
  });
}

async function snapshot(persistence: Persistence, at: Timestamp): Promise<unknown> {
  const { results } = await persistence.read(
    [get(1), get(2), get(3), range(), range({ order: "desc" }), range({ index: "by_id" })],
    at,
  );
  return results;
}
