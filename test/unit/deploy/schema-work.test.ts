import { describe, expect, test } from "vitest";
import { BackgroundIndexWork } from "../../../src/deploy/background.ts";
import { must } from "../../../src/shared/assert.ts";
import { body, schemaModule, type TableSpec } from "../../support/deploy/body.ts";
import { internalId } from "../../support/deploy/fake-database.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";

const LOOSE: TableSpec = { fields: { name: "string", age: "number" }, optional: ["age"] };
const INDEXED: TableSpec = { ...LOOSE, indexes: { by_name: ["name"] } };
const STRICT: TableSpec = { fields: { name: "string", age: "number" } };

function withSchema(tables: Readonly<Record<string, TableSpec>>) {
  return body({ schema: schemaModule(tables) });
}

async function withUsers(count: number, settings = {}): Promise<TestDeployment> {
  const deployment = new TestDeployment(settings);
  await deployment.push(withSchema({ users: LOOSE }));
  for (let n = 0; n < count; n++) deployment.database.write("", "users", `u${n}`, { name: `name ${n % 7}`, age: n });
  return deployment;
}

async function activeVersion(deployment: TestDeployment): Promise<string | undefined> {
  return (await deployment.activeApp())?.version;
}

describe("building indexes", () => {
  test("P-D-11 a new index is complete before the push takes effect, and enabled by it", async () => {
    const deployment = await withUsers(300);
    const { database } = deployment;
    const start = await deployment.start(withSchema({ users: INDEXED }));
    expect(database.index("users", "by_name")).toBeUndefined();
    expect(await deployment.wait(start)).toEqual({ type: "complete" });
    const built = must(database.index("users", "by_name"), "index");
    expect(built.state).toBe("ready");
    expect(database.liveKeys(built.id)).toEqual(database.expectedKeys(built));
    await deployment.finish(start);
    expect(database.index("users", "by_name")?.state).toBe("enabled");
  });

  test("DP10 writes during the back-fill are in the index exactly once, deletions are not", async () => {
    const deployment = await withUsers(200, { backfill: { documents: 15, bytes: 1 << 20 } });
    const { database } = deployment;
    let writes = 0;
    database.beforeRead = () => {
      writes++;
      database.write("", "users", `u${(writes * 37) % 200}`, { name: `changed ${writes}` });
      database.write("", "users", `u${(writes * 53) % 200}`, null);
      database.write("", "users", `new${writes}`, { name: "new" });
    };
    const start = await deployment.start(withSchema({ users: INDEXED }));
    await deployment.wait(start);
    expect(writes).toBeGreaterThan(10);
    const built = must(database.index("users", "by_name"), "index");
    expect(database.liveKeys(built.id)).toEqual(database.expectedKeys(built));
  });

  test("DP11 a time-out keeps the cursor: later requests go on, in bounded batches", async () => {
    const deployment = await withUsers(500, { backfill: { documents: 25, bytes: 1 << 20 } });
    const { database } = deployment;
    const start = await deployment.start(withSchema({ users: INDEXED }));
    const statuses: unknown[] = [];
    // The clock moves one millisecond per look at it.
    for (let round = 0; round < 100; round++) {
      const status = await deployment.wait(start, 6);
      statuses.push(status);
      if (JSON.stringify(status) === `{"type":"complete"}`) break;
    }
    expect(statuses.length).toBeGreaterThan(3);
    expect(statuses[0]).toEqual({
      type: "inProgress",
      components: { "": { schemaValidationComplete: true, indexesComplete: 0, indexesTotal: 1 } },
    });
    expect(statuses.at(-1)).toEqual({ type: "complete" });
    expect(database.largestBatch).toBeLessThanOrEqual(25);
    // Requests get their turn after every batch.
    expect(deployment.pauses).toBeGreaterThanOrEqual(500 / 25);
    // No document was read twice.
    expect(database.rowsRead).toBe(500);
    const built = must(database.index("users", "by_name"), "index");
    expect(database.liveKeys(built.id)).toEqual(database.expectedKeys(built));
  });

  test("DP25 a batch read too long before it is stored is read again, not lost", async () => {
    const deployment = await withUsers(40, { backfill: { documents: 10, bytes: 1 << 20 } });
    const { database } = deployment;
    let stores = 0;
    database.beforeBackfill = () => {
      if (++stores !== 2) return;
      database.write("", "users", "u5", { name: "later" });
      database.retainedFrom = database.ts;
    };
    const start = await deployment.start(withSchema({ users: INDEXED }));
    expect(await deployment.wait(start)).toEqual({ type: "complete" });
    const built = must(database.index("users", "by_name"), "index");
    expect(database.liveKeys(built.id)).toEqual(database.expectedKeys(built));
    expect(database.rowsRead).toBeGreaterThan(40);
  });

  test("DP12 an index of the same name and other fields serves as it was until the flip", async () => {
    const deployment = await withUsers(50);
    const { database } = deployment;
    await deployment.push(withSchema({ users: INDEXED }));
    const old = must(database.index("users", "by_name"), "old index");
    const start = JSON.parse(
      JSON.stringify(await deployment.start(withSchema({ users: { ...LOOSE, indexes: { by_name: ["age"] } } }))),
    );
    expect(start.schemaChange.indexDiffs[""]).toMatchObject({
      added_indexes: [{ type: "database", name: "users.by_name", fields: ["age", "_creationTime"] }],
      removed_indexes: [{ type: "database", name: "users.by_name", fields: ["name", "_creationTime"] }],
    });
    await deployment.wait(start);
    expect(database.index("users", "by_name")).toEqual(old);
    await deployment.finish(start);
    const replaced = must(database.index("users", "by_name"), "new index");
    expect(replaced).toMatchObject({ state: "enabled", definition: { fields: ["age"] } });
    expect(database.indexes.has(old.id)).toBe(false);
    expect(database.liveKeys(replaced.id)).toEqual(database.expectedKeys(replaced));
  });

  test("DP13 staged: built in the background after the push, enabled at once by a later one, and staged again", async () => {
    const deployment = await withUsers(60, { backfill: { documents: 16, bytes: 1 << 20 } });
    const { database } = deployment;
    const background = new BackgroundIndexWork(deployment.ports);
    await deployment.push(withSchema({ users: { ...LOOSE, staged: { by_name: ["name"] } } }));
    const staged = must(database.index("users", "by_name"), "index");
    expect(staged).toMatchObject({ state: "backfilling", staged: true });
    expect(deployment.background).toBe(2);
    let rounds = 0;
    while (await background.run(3)) rounds++;
    expect(rounds).toBeGreaterThan(1);
    expect(database.index("users", "by_name")).toMatchObject({ state: "ready", staged: true });
    expect(database.liveKeys(staged.id)).toEqual(database.expectedKeys(staged));

    const commits = database.catalogCommits;
    const diff = JSON.parse(JSON.stringify(await deployment.push(withSchema({ users: INDEXED }))));
    expect(diff.componentDiffs[""].indexDiff.enabled_indexes).toHaveLength(1);
    expect(database.index("users", "by_name")).toMatchObject({ id: staged.id, state: "enabled", staged: false });
    expect(database.catalogCommits).toBe(commits + 1);

    const back = JSON.parse(
      JSON.stringify(await deployment.push(withSchema({ users: { ...LOOSE, staged: { by_name: ["name"] } } }))),
    );
    expect(back.componentDiffs[""].indexDiff.disabled_indexes).toEqual([
      { type: "database", name: "users.by_name", fields: ["name", "_creationTime"], staged: true },
    ]);
    expect(database.index("users", "by_name")).toMatchObject({ id: staged.id, state: "ready", staged: true });
  });

  test("DP14 entries of a dropped index go once no old snapshot can be read, a chunk at a time", async () => {
    const deployment = await withUsers(40);
    const { database } = deployment;
    await deployment.push(withSchema({ users: INDEXED }));
    const { id } = must(database.index("users", "by_name"), "index");
    await deployment.push(withSchema({ users: LOOSE }));
    expect(database.indexes.has(id)).toBe(false);
    const background = new BackgroundIndexWork(deployment.ports);
    expect(await background.run(1000)).toBe(true);
    expect(database.entryCount(id)).toBe(40);
    database.retainedFrom = deployment.clock.time * 1000 + 120_000_000;
    expect(await background.run(1000)).toBe(false);
    expect(database.entryCount(id)).toBe(0);
    expect(database.values.has("droppedIndexes")).toBe(false);
  });
});

describe("checking documents", () => {
  test("P-D-10 a document that does not match fails the push by name, and leaves nothing behind", async () => {
    const deployment = await withUsers(30);
    const { database } = deployment;
    database.write("", "users", "bad", { name: "no age" });
    const before = await activeVersion(deployment);
    const start = await deployment.start(withSchema({ users: { ...STRICT, indexes: { by_age: ["age"] } } }));
    expect(await deployment.wait(start)).toEqual({
      type: "failed",
      error:
        'Document with ID "bad" in table "users" does not match the schema: Object is missing the required field `age`.',
      componentPath: "",
      tableName: "users",
    });
    expect(await activeVersion(deployment)).toBe(before);
    expect(database.index("users", "by_age")).toBeUndefined();
    expect(database.values.has("push")).toBe(false);

    database.write("", "users", "bad", { name: "age", age: 1 });
    await deployment.push(withSchema({ users: { ...STRICT, indexes: { by_age: ["age"] } } }));
    expect(database.index("users", "by_age")?.state).toBe("enabled");
  });

  test("DP15 a bad write behind the cursor, and one between check and flip, are both found", async () => {
    const deployment = await withUsers(100, { backfill: { documents: 20, bytes: 1 << 20 } });
    const { database } = deployment;
    const first = await deployment.start(withSchema({ users: STRICT }));
    let reads = 0;
    database.beforeRead = () => {
      if (++reads === 3) database.write("", "users", "u0", { name: "no age" });
    };
    expect(await deployment.wait(first)).toMatchObject({ type: "failed", tableName: "users" });
    database.beforeRead = () => {};

    database.write("", "users", "u0", { name: "n", age: 1 });
    const before = await activeVersion(deployment);
    const second = await deployment.start(withSchema({ users: STRICT }));
    expect(await deployment.wait(second)).toEqual({ type: "complete" });
    let written = false;
    database.beforeCommit = ({ change }) => {
      const isFlip = change.values?.some(({ key }) => key === "app") ?? false;
      if (isFlip && !written) {
        written = true;
        database.write("", "users", "u1", { name: "no age" });
      }
    };
    await expect(deployment.finish(second)).rejects.toMatchObject({
      code: "SchemaValidationFailed",
      message: expect.stringContaining('Document with ID "u1" in table "users" does not match the schema'),
    });
    expect(written).toBe(true);
    expect(await activeVersion(deployment)).toBe(before);
  });

  test("DP16 good writes between check and flip only make it catch up again", async () => {
    const deployment = await withUsers(20);
    const { database } = deployment;
    const start = await deployment.start(withSchema({ users: STRICT }));
    await deployment.wait(start);
    let flips = 0;
    database.beforeCommit = ({ change }) => {
      const isFlip = change.values?.some(({ key }) => key === "app") ?? false;
      if (isFlip && ++flips < 4) database.write("", "users", `more${flips}`, { name: "n", age: flips });
    };
    await deployment.finish(start);
    expect(flips).toBe(4);
    expect((await deployment.activeApp())?.components[""]?.schema?.tables[0]?.documentType).toMatchObject({
      type: "object",
    });
  });

  test("DP24 a Transactor that restarted since the check, and forgot what was written, delays the flip by one round", async () => {
    const deployment = await withUsers(20);
    const { database } = deployment;
    const start = await deployment.start(withSchema({ users: STRICT }));
    await deployment.wait(start);
    // The head has moved, and no write is in the log: a change of the catalog, say.
    database.ts += 10;
    database.writeLogFloor = database.ts;
    await deployment.finish(start);
    expect((await deployment.activeApp())?.components[""]?.schema?.tables[0]?.documentType).toMatchObject({
      type: "object",
    });
  });

  test("DP17 a schema that admits all the old one did reads no document", async () => {
    const deployment = await withUsers(50);
    const { database } = deployment;
    await deployment.push(withSchema({ users: STRICT }));
    let reads = 0;
    database.beforeRead = () => {
      reads++;
    };
    await deployment.push(
      withSchema({ users: { fields: { name: "string", age: "number", x: "string" }, optional: ["x"] } }),
    );
    expect(reads).toBe(0);
  });

  test("DP18 a table that a mutation creates while the push is under way is indexed and checked too", async () => {
    // At whichever look at the catalog the table appears: finish_push takes three, then commits.
    for (const look of [1, 2, 3, 4]) {
      const deployment = await withUsers(1);
      const { database } = deployment;
      const posts = { fields: { title: "string" }, indexes: { by_title: ["title"] } } as const;
      const start = await deployment.start(withSchema({ users: LOOSE, posts }));
      expect(await deployment.wait(start)).toEqual({ type: "complete" });
      let looks = 0;
      const create = () => {
        if (++looks === look) database.write("", "posts", "p1", { title: "first" });
      };
      database.beforeLoad = create;
      database.beforeCommit = create;
      await deployment.finish(start);
      const index = must(database.index("posts", "by_title"), "index");
      expect(index.state).toBe("enabled");
      expect(database.liveKeys(index.id)).toEqual([`["first"]${internalId("p1")}`]);

      const bad = await deployment.start(withSchema({ users: LOOSE, posts, more: STRICT }));
      looks = 0;
      database.beforeLoad = database.beforeCommit = () => {
        if (++looks === look) database.write("", "more", "m1", { name: "no age" });
      };
      await expect(deployment.finish(bad)).rejects.toMatchObject({ code: "SchemaValidationFailed" });
    }
  });

  test("DP19 when the log no longer reaches back, documents are walked again", async () => {
    const deployment = await withUsers(10);
    const { database } = deployment;
    const start = await deployment.start(withSchema({ users: STRICT }));
    expect(await deployment.wait(start)).toEqual({ type: "complete" });
    database.write("", "users", "u3", { name: "no age" });
    database.retainedFrom = database.ts + 1;
    await expect(deployment.finish(start)).rejects.toMatchObject({ code: "SchemaValidationFailed" });
  });
});

describe("pushes that meet", () => {
  test("E-D-11 the second to finish is refused; sent twice, the first is answered twice", async () => {
    const deployment = await withUsers(5);
    const one = await deployment.start(withSchema({ users: INDEXED }));
    const two = await deployment.start(withSchema({ users: { ...LOOSE, indexes: { by_age: ["age"] } } }));
    await deployment.finish(one);
    const version = await activeVersion(deployment);
    expect(await deployment.wait(two)).toEqual({ type: "raceDetected" });
    await expect(deployment.finish(two)).rejects.toMatchObject({
      code: "ConcurrentPush",
      message: expect.stringContaining("Are you running multiple `npx convex dev` processes in the same directory?"),
    });
    const commits = deployment.database.catalogCommits;
    expect(await deployment.finish(one)).toMatchObject({ componentDiffs: { "": { diffType: { type: "modify" } } } });
    expect(deployment.database.catalogCommits).toBe(commits);
    expect(await activeVersion(deployment)).toBe(version);
  });

  test("DP20 a later push takes over: the earlier one is told, and its half-built index goes", async () => {
    const deployment = await withUsers(300, { backfill: { documents: 10, bytes: 1 << 20 } });
    const { database } = deployment;
    const one = await deployment.start(withSchema({ users: INDEXED }));
    expect(await deployment.wait(one, 3)).toMatchObject({ type: "inProgress" });
    const two = await deployment.start(withSchema({ users: { ...LOOSE, indexes: { by_age: ["age"] } } }));
    expect(await deployment.wait(two)).toEqual({ type: "complete" });
    expect(database.index("users", "by_name")).toBeUndefined();
    expect(await deployment.wait(one)).toEqual({ type: "raceDetected" });
    await deployment.finish(two);
    expect(database.index("users", "by_age")?.state).toBe("enabled");
    expect(database.values.has("push")).toBe(false);
  });

  test("DP21 a variable that changes during the push is a race, which the client retries", async () => {
    const deployment = await withUsers(1);
    const start = await deployment.start(withSchema({ users: INDEXED }));
    await deployment.environment.update([{ name: "A", value: "1" }]);
    await expect(deployment.finish(start)).rejects.toMatchObject({ code: "RaceDetected" });
  });

  test("DP22 finish_push waits for the leases of the old version before it answers", async () => {
    const deployment = await withUsers(1);
    const before = deployment.leases;
    let flipped = false;
    deployment.database.beforeCommit = () => {
      flipped = true;
      expect(deployment.leases).toBe(before);
    };
    await deployment.push(withSchema({ users: INDEXED }));
    expect(flipped).toBe(true);
    expect(deployment.leases).toBe(before + 1);
  });

  test("DP23 a forged or foreign token is refused", async () => {
    const deployment = await withUsers(1);
    const start = await deployment.start(withSchema({ users: INDEXED }));
    const [payload, signature] = start.schemaChange.pushToken.split(".");
    const forged = Buffer.from(String(payload), "base64url")
      .toString()
      .replace(/"generation":\d+/, '"generation":9');
    const other = new TestDeployment({}, ["another secret"]);
    for (const pushToken of [
      `${Buffer.from(forged).toString("base64url")}.${signature}`,
      "",
      "a.b",
      `${payload}.`,
      (await other.start(withSchema({}))).schemaChange.pushToken,
    ]) {
      await expect(deployment.wait({ schemaChange: { pushToken } })).rejects.toMatchObject({
        code: "InvalidPushToken",
      });
    }
  });

  test("E-F-9 more tables than the deployment may have", async () => {
    const deployment = new TestDeployment({ maxTables: 2 });
    await deployment.push(withSchema({ a: LOOSE, b: LOOSE }));
    await expect(deployment.push(withSchema({ a: LOOSE, b: LOOSE, c: LOOSE }))).rejects.toMatchObject({
      code: "TooManyTables",
      message: "Hit an error while pushing:\nNumber of tables cannot exceed 2.",
    });
  });
});

describe("evaluate_schema", () => {
  test("P-I-5 predicts walks, back-fills and drops, with counts", async () => {
    const deployment = await withUsers(12);
    await deployment.push(withSchema({ users: INDEXED }));
    const evaluation = JSON.parse(
      JSON.stringify(
        await deployment.service.evaluateSchema(
          withSchema({ users: { ...STRICT, indexes: { by_age: ["age"] } }, posts: LOOSE }),
        ),
      ),
    );
    const root = evaluation.componentSchemaEvaluations[""];
    expect(root.tables).toMatchObject([
      { name: "users", outcome: "mustWalk", numDocs: 12 },
      { name: "posts", outcome: "supersetOfShape", numDocs: 0 },
    ]);
    expect(root.indexes).toEqual([
      {
        type: "database",
        name: "users.by_age",
        fields: ["age", "_creationTime"],
        change: "added",
        needsBackfill: true,
        numDocs: 12,
      },
      {
        type: "database",
        name: "users.by_name",
        fields: ["name", "_creationTime"],
        change: "dropped",
        needsBackfill: false,
        numDocs: 12,
      },
    ]);
  });
});
