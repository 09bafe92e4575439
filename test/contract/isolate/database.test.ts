import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { IsolateFixture, NOW, type Report } from "./support.ts";

let isolate: IsolateFixture;
beforeAll(async () => {
  isolate = await IsolateFixture.start();
});
afterAll(() => isolate.dispose());

function items(count: number): { items: { _id: string; n: number; next?: string }[] } {
  return {
    items: Array.from({ length: count }, (_, i) => ({ _id: `item${i + 1}`, n: i + 1, next: `item${i + 2}` })),
  };
}

/** The operations of each batch, without `1.0/`. */
function ops(report: Report): string[][] {
  return report.batches.map((batch) => batch.map(([op]) => op.replace("1.0/", "")));
}

function pages(report: Report): { consumed: number; limit: number; query?: unknown }[] {
  return report.batches
    .flat()
    .filter(([op]) => op === "convection/queryPage")
    .map(([, args]) => JSON.parse(args));
}

describe("streams", () => {
  test("ISO11 pages grow from 16 to 512 rows and the query travels once", async () => {
    const report = await isolate.run("query", "database:collect", {}, { documents: items(1500) });
    expect(report.value).toEqual(Array.from({ length: 1500 }, (_, i) => i + 1));
    expect(pages(report).map(({ consumed, limit }) => [consumed, limit])).toEqual([
      [0, 16],
      [16, 64],
      [64, 256],
      [256, 512],
      [512, 512],
      [512, 512],
    ]);
    expect(pages(report).map(({ query }) => query !== undefined)).toEqual([true, false, false, false, false, false]);
  });

  test("ISO11 a limit ends the stream in one page and needs no clean-up", async () => {
    const report = await isolate.run("query", "database:firstThree", {}, { documents: items(10) });
    expect(report.value).toEqual([1, 2, 3]);
    expect(ops(report)).toEqual([["convection/queryPage"]]);
    expect(pages(report).map(({ limit }) => limit)).toEqual([3]);
  });

  test("ISO11 a limit beyond the first page is asked for at once", async () => {
    const report = await isolate.run("query", "database:firstTwenty", {}, { documents: items(30) });
    expect(report.value).toHaveLength(20);
    expect(pages(report).map(({ limit }) => limit)).toEqual([20]);
  });

  test("ISO12 a stream that is left early tells the host how far it was read", async () => {
    const report = await isolate.run("query", "database:breakEarly", {}, { documents: items(10) });
    expect(report.batches.at(-1)).toEqual([["convection/queryCleanup", JSON.stringify({ queryId: 0, consumed: 3 })]]);
  });

  test("ISO13 a write between two rows is seen as if each row were fetched alone", async () => {
    const report = await isolate.run("mutation", "database:insertWhileReading", {}, { documents: items(5) });
    expect(report.value).toEqual([1, 1.5, 2, 4, 5, 9]);
  });

  test("ISO13 a loop that writes at each row reads few rows more than it takes", async () => {
    const report = await isolate.run("mutation", "database:writeEachRow", {}, { documents: items(100) });
    expect(report.value).toBe(100);
    expect(report.documents["copies"]).toHaveLength(100);
    const asked = pages(report).reduce((sum, { limit }) => sum + limit, 0);
    expect(asked).toBeLessThan(130);
  });

  test("ISO14 concurrent next() calls get consecutive rows, and the stream ends once", async () => {
    const report = await isolate.run("query", "database:nextAfterDone", {}, { documents: items(1) });
    expect(report.ok).toBe(false);
    expect(report.error?.message).toBe("in-progress query not found");
    const two = await isolate.run("query", "database:nextAfterDone", {}, { documents: items(2) });
    expect(two.value).toEqual([
      [false, 1],
      [false, 2],
      [true, null],
    ]);
  });
});

describe("batches", () => {
  test("ISO15 syscalls of one turn travel together", async () => {
    const ids = items(20).items.map(({ _id }) => _id);
    const report = await isolate.run("query", "database:parallelGets", { ids }, { documents: items(20) });
    expect(report.value).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(ops(report)).toEqual([Array.from({ length: 20 }, () => "get")]);
  });

  test("ISO15 dependent reads of parallel chains meet in one batch per step", async () => {
    const report = await isolate.run(
      "query",
      "database:chains",
      { ids: ["item1", "item2", "item3"] },
      { documents: items(5) },
    );
    expect(report.value).toEqual([2, 3, 4]);
    expect(ops(report).map((batch) => batch.length)).toEqual([3, 3]);
  });

  test("ISO16 effects and results keep the order of the calls", async () => {
    const report = await isolate.run("mutation", "database:order", {}, { documents: items(1) });
    expect(report.value).toEqual(["insert", "get", "insert 2", "rows 3"]);
    expect(ops(report)[0]).toEqual(["insert", "get", "convection/queryPage", "insert"]);
  });

  test("ISO17 writes that were never awaited still run after the handler returned", async () => {
    const report = await isolate.run("mutation", "database:unawaitedWrites");
    expect(report.value).toBe("returned");
    expect(report.documents["items"]?.map(({ n }) => n)).toEqual([1, 2, 3]);
  });

  test("ISO17 nothing starts after the handler rejected", async () => {
    const report = await isolate.run("mutation", "database:writesAfterThrow");
    expect(report.error?.message).toBe("stop");
    expect(report.documents["items"]?.map(({ n }) => n)).toEqual([1]);
  });
});

describe("synchronous syscalls", () => {
  const tables = { version: "7", tables: { "": { users: 10001, _storage: 513 }, child: { users: 10002 } } };
  const options = { tables, tablesVersion: "7" };
  const id = "j57000820c20a1g7104gm2rc1m70ynr8";

  test.each([
    ["users", id, id],
    ["users", id.toUpperCase(), null],
    ["users", `${id.slice(0, -1)}9`, null],
    ["users", "not an id", null],
    ["users", "", null],
    ["strangers", id, null],
    ["users", "AAECAwQFBgcICQoLDA0ODw", id],
  ])("ISO18 normalizeId(%s, %s) is %s", async (table, idString, expected) => {
    expect(await isolate.value("query", "database:normalize", { table, id: idString }, options)).toBe(expected);
  });

  test("ISO18 the table map is that of the component and is fetched once per version", async () => {
    const versioned = { tables: { ...tables, version: "8" }, tablesVersion: "8" };
    const first = await isolate.run("query", "database:normalize", { table: "users", id }, versioned);
    const second = await isolate.run("query", "database:normalize", { table: "users", id }, versioned);
    expect([first.value, first.tableFetches]).toEqual([id, 1]);
    expect([second.value, second.tableFetches]).toEqual([id, 0]);
    const child = await isolate.run(
      "query",
      "database:normalize",
      { table: "users", id },
      { ...versioned, component: "child" },
    );
    expect([child.value, child.tableFetches]).toEqual([null, 0]);
  });

  test("ISO18 a table name that is none is refused", async () => {
    const { error } = await isolate.run("query", "database:normalize", { table: "1a", id }, options);
    expect(error?.message).toBe(
      "Invalid argument `table` for `db.normalizeId`: Invalid first character '1' in 1a: Identifiers must start with an " +
        "alphabetic character or underscore",
    );
  });

  test("ISO19 getSnapshotTs asks for a pinned snapshot and then shows it", async () => {
    expect((await isolate.run("query", "database:snapshot")).ok).toBe("needsSnapshot");
    const pinned = await isolate.run("query", "database:snapshot", {}, { snapshotTs: "1800000000123456789" });
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(1_800_000_000_123_456_789n);
    expect(pinned.value).toEqual({ ts: { $integer: bytes.toString("base64") } });
    expect(pinned.observed?.time).toBe(true);
  });

  test.each([
    ["1.0/nope", {}, "Unknown operation 1.0/nope"],
    ["toString", {}, "Unknown operation toString"],
    ["1.0/componentArgument", { name: "x" }, "Component arguments are not available within the app"],
  ])("ISO20 %s is refused in the app", async (op, args, message) => {
    const { error } = await isolate.run("query", "database:rawSyscall", { op, args });
    expect(error?.message).toBe(message);
  });

  test("ISO20 a component has no arguments, and clean-up of an unknown query is false", async () => {
    const call = { op: "1.0/componentArgument", args: { name: "x" } };
    expect(await isolate.value("query", "database:rawSyscall", call, { component: "child" })).toEqual({});
    expect(await isolate.value("query", "database:rawSyscall", { op: "1.0/queryCleanup", args: { queryId: 9 } })).toBe(
      false,
    );
  });
});

describe("functions", () => {
  test("ISO21 a nested call runs in the same isolate with its own seed and the same clock", async () => {
    const report = await isolate.run("mutation", "database:nested");
    expect(report.value).toMatchObject({ inner: { sum: 42, now: NOW } });
    const { inner, mine } = z.object({ inner: z.object({ random: z.number() }), mine: z.number() }).parse(report.value);
    expect(inner.random).not.toBe(mine);
    expect(report.documents["items"]).toHaveLength(2);
  });

  test("ISO22 undefined returns null, and host answers reach meta", async () => {
    expect(await isolate.value("query", "database:noValue")).toBeNull();
    expect(await isolate.value("query", "database:metadata")).toMatchObject({ name: "dir/mod:fn", type: "query" });
  });

  test("E-D-16 a query that was not run is no value", async () => {
    const { error } = await isolate.run("query", "database:returnsQuery");
    expect(error?.message).toBe(
      "Return value is a Query. Results must be retrieved with `.collect()`, `.take(n), `.unique()`, or `.first()`.",
    );
  });

  test("ISO23 an unknown asynchronous operation is the host's to refuse", async () => {
    const { error } = await isolate.run("mutation", "database:rawAsyncSyscall", { op: "1.0/nope" });
    expect(error?.message).toBe("Unknown async operation 1.0/nope");
  });
});
