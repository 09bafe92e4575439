import { type Value, compareValues, convexToJson, jsonToConvex } from "convex/values";
import { expect, test } from "vitest";
import type { FunctionScope } from "../../../src/engine/function-scope.ts";
import { dependsOn, indexRef } from "../../../src/engine/read-set.ts";
import { keyIn } from "../../../src/engine/index-definition.ts";
import { parseQuery } from "../../../src/engine/query/definition.ts";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";
import { SeededRandom, TestDatabase, type TestTransaction, internalId, toJson } from "./support.ts";

type Doc = Record<string, Value>;

const VALUES: readonly Value[] = [null, -1n, 3n, 0, 1, 2.5, true, "", "\0", "a", "ab", [1], { k: 1 }];
const FIELDS = ["a", "b"] as const;

function compareBy(fields: readonly string[]): (x: Doc, y: Doc) => number {
  return (x, y) => {
    for (const field of fields) {
      const order = compareValues(x[field], y[field]);
      if (order !== 0) return order;
    }
    return 0;
  };
}

interface Case {
  readonly json: JsonValue;
  readonly expected: (documents: readonly Doc[]) => Doc[];
}

type Condition = { type: "Eq" | "Gt" | "Gte" | "Lt" | "Lte"; fieldPath: string; value: Value };

function matches({ type, fieldPath, value }: Condition, document: Doc): boolean {
  const order = compareValues(document[fieldPath], value);
  return { Eq: order === 0, Gt: order > 0, Gte: order >= 0, Lt: order < 0, Lte: order <= 0 }[type];
}

function randomRange(random: SeededRandom, fields: readonly string[]): Condition[] {
  const count = random.below(fields.length + 1);
  const conditions = fields
    .slice(0, count)
    .map((fieldPath): Condition => ({ type: "Eq", fieldPath, value: random.pick(VALUES) }));
  const next = fields[count];
  if (next === undefined) return conditions;
  if (random.below(2) === 0) {
    conditions.push({ type: random.pick(["Gt", "Gte"] as const), fieldPath: next, value: random.pick(VALUES) });
  }
  if (random.below(2) === 0) {
    conditions.push({ type: random.pick(["Lt", "Lte"] as const), fieldPath: next, value: random.pick(VALUES) });
  }
  return conditions;
}

function randomCase(random: SeededRandom): Case {
  const order = random.pick(["asc", "desc", null] as const);
  const [index, fields] = random.pick([
    ["by_a", ["a", "_creationTime"]],
    ["by_ab", ["a", "b", "_creationTime"]],
    [null, ["_creationTime"]],
  ] as const);
  const conditions = index === null ? [] : randomRange(random, fields.slice(0, -1));
  const steps: { readonly json: JsonObject; readonly apply: (documents: Doc[]) => Doc[] }[] = [];
  for (let i = random.below(3); i > 0; i--) {
    if (random.below(2) === 0) {
      const limit = random.below(8);
      steps.push({ json: { limit }, apply: (documents) => documents.slice(0, limit) });
    } else {
      const [field, value] = [random.pick(FIELDS), random.pick(VALUES)];
      steps.push({
        json: { filter: { $lte: [{ $field: field }, { $literal: toJson(value) }] } },
        apply: (documents) => documents.filter((document) => compareValues(document[field], value) <= 0),
      });
    }
  }
  const source =
    index === null
      ? { type: "FullTableScan", tableName: "t", order }
      : {
          type: "IndexRange",
          indexName: `t.${index}`,
          order,
          range: conditions.map((condition) => ({ ...condition, value: toJson(condition.value) })),
        };
  return {
    json: { source, operators: steps.map(({ json }) => json) },
    expected: (documents) => {
      const rows = documents.filter((document) => conditions.every((condition) => matches(condition, document)));
      rows.sort(compareBy([...fields, "_id"]));
      if (order === "desc") rows.reverse();
      return steps.reduce((kept, { apply }) => apply(kept), rows);
    },
  };
}

function randomFields(random: SeededRandom): Doc {
  return Object.fromEntries(
    FIELDS.flatMap((field): [string, Value][] => (random.below(5) === 0 ? [] : [[field, random.pick(VALUES)]])),
  );
}

/** The transaction's view of the table as a plain map. */
type Model = Map<string, Doc>;

async function randomWrite(random: SeededRandom, transaction: TestTransaction, model: Model): Promise<void> {
  const table = transaction.tables.named("", "t");
  const ids = [...model.keys()];
  if (table === null || ids.length === 0 || random.below(3) === 0) {
    const fields = randomFields(random);
    const id = transaction.insert("", "t", toJson(fields) as JsonObject);
    const inserted = transaction.tables.named("", "t");
    const json = inserted === null ? null : await transaction.get(inserted, internalId(id));
    model.set(id, jsonToConvex(JSON.parse(json ?? "null")) as Doc);
    expect(model.get(id)).toMatchObject(fields);
    return;
  }
  const id = random.pick(ids);
  const [field, value] = [random.pick(FIELDS), random.pick(VALUES)];
  const old = model.get(id) ?? {};
  const system = { _id: id, _creationTime: old["_creationTime"] ?? null };
  switch (random.below(3)) {
    case 0:
      await transaction.remove(table, internalId(id));
      model.delete(id);
      break;
    case 1:
      await transaction.patch(table, internalId(id), new Map([[field, toJson(value)]]));
      model.set(id, { ...old, [field]: value });
      break;
    default:
      await transaction.replace(table, internalId(id), { [field]: toJson(value) });
      model.set(id, { ...system, [field]: value });
  }
}

/** Reads a stream to its end, in pages of random size of which a random part is used, writing in between or not. */
async function drain(random: SeededRandom, scope: FunctionScope, json: JsonValue): Promise<Doc[]> {
  const documents: Doc[] = [];
  const queryId = random.below(1000);
  await scope.openQuery(queryId, parseQuery(json));
  let consumed = 0;
  for (;;) {
    const { rows, done } = await scope.nextPage(queryId, consumed, 1 + random.below(6));
    const all = done && random.below(2) === 0;
    consumed = all ? rows.length : random.below(rows.length + 1);
    documents.push(...rows.slice(0, consumed).map((row) => jsonToConvex(JSON.parse(row)) as Doc));
    if (done && consumed === rows.length) break;
  }
  expect(scope.closeQuery(queryId, consumed)).toBe(true);
  return documents;
}

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

test(`P-D-5 queries with pending writes equal a filter and a sort of an array (SEED=${SEED})`, async () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < 60; round++) {
    const database = new TestDatabase();
    const model: Model = new Map();
    if (random.below(8) > 0) {
      const table = database.table("t", { by_a: ["a"], by_ab: ["a", "b"] });
      for (let i = random.below(60); i > 0; i--) {
        const id = database.add(table, randomFields(random));
        const stored = database.documents.get(table.id)?.get(internalId(id));
        model.set(id, jsonToConvex(JSON.parse(stored?.json ?? "null")) as Doc);
      }
    }
    const transaction = database.begin("mutation", { random });
    const scope = transaction.scope();
    const savepoints: { model: Model; sub: ReturnType<TestTransaction["begin"]> }[] = [];
    for (let step = 0; step < 40; step++) {
      const action = random.below(10);
      if (action < 3) await randomWrite(random, transaction, model);
      else if (action === 3) savepoints.push({ model: new Map(model), sub: transaction.begin() });
      else if (action === 4) {
        const last = savepoints.pop();
        if (last === undefined) continue;
        if (random.below(2) === 0) {
          last.sub.commit();
        } else {
          last.sub.rollback();
          model.clear();
          for (const [id, document] of last.model) model.set(id, document);
        }
      } else {
        const { json, expected } = randomCase(random);
        const indexed = JSON.stringify(json).includes("IndexRange");
        if (indexed && database.tables.length === 0) continue;
        const found = await drain(random, scope, json);
        const message = `seed ${SEED}, round ${round}, step ${step}: ${JSON.stringify(json)}`;
        expect(found.map(convexToJson), message).toEqual(expected([...model.values()]).map(convexToJson));
      }
    }
  }
});

test(`P-D-9 a write that changes the result of a query falls into its read set (SEED=${SEED})`, async () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < 300; round++) {
    const database = new TestDatabase();
    const table = database.table("t", { by_a: ["a"], by_ab: ["a", "b"] });
    for (let i = random.below(30); i > 0; i--) database.add(table, randomFields(random));
    const { json } = randomCase(random);
    const before = database.begin("query");
    const result = await drain(random, before.scope(), json);
    const changed = database.add(table, randomFields(random));
    const after = await drain(random, database.begin("query").scope(), json);
    if (JSON.stringify(result.map(convexToJson)) === JSON.stringify(after.map(convexToJson))) continue;
    const document: JsonValue = JSON.parse(database.documents.get(table.id)?.get(internalId(changed))?.json ?? "null");
    const reads = before.readSet();
    const hit = database.indexes.some((index) => {
      const key = keyIn(index.definition, document, internalId(changed));
      return key !== null && dependsOn(reads, indexRef(index.id), key);
    });
    expect(hit, `seed ${SEED}, round ${round}: ${JSON.stringify(json)}`).toBe(true);
  }
});
