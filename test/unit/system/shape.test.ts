import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../../src/shared/json.ts";
import { merge, NEVER, type Shape, shapeOf } from "../../../src/system/shape.ts";
import { encodeDocumentId } from "../../../src/values/document-id.ts";
import { convexToJson } from "convex/values";

const tables = (number: number) => ["", "users", "teams"][number] ?? null;
const id = (table: number) => encodeDocumentId(table, "0123456789ABCDEF0123456789ABCDEF");

function of(...values: JsonValue[]): Shape {
  return values.map((value) => shapeOf(value, tables)).reduce(merge, NEVER);
}

function object(...fields: (readonly [name: string, shape: Shape, optional?: boolean])[]): Shape {
  return {
    type: "Object",
    fields: fields.map(([fieldName, shape, optional = false]) => ({ fieldName, optional, shape })),
  };
}

const FLOAT: Shape = { type: "Float64" };
const STRING: Shape = { type: "String" };

describe("shapes", () => {
  test.each<[unknown, Shape["type"]]>([
    [null, "Null"],
    [true, "Boolean"],
    [1.5, "Float64"],
    [-0, "Float64"],
    [5n, "Int64"],
    ["text", "String"],
    [new ArrayBuffer(2), "Bytes"],
  ])("SHAPE1 %s", (value, type) => {
    expect(of(convexToJson(value as never))).toEqual({ type });
  });

  test("SHAPE1 ids name their table, and are strings among strings", () => {
    expect(of(id(1))).toEqual({ type: "Id", tableName: "users" });
    expect(of(id(9))).toEqual(STRING);
    expect(of(id(1), id(2))).toEqual({
      type: "Union",
      shapes: [
        { type: "Id", tableName: "teams" },
        { type: "Id", tableName: "users" },
      ],
    });
    expect(of(id(1), "text", id(2))).toEqual(STRING);
  });

  test("SHAPE2 a field that some objects lack is optional, also when it comes late", () => {
    expect(of({ a: 1, b: "x" }, { a: 2 })).toEqual(object(["a", FLOAT], ["b", STRING, true]));
    expect(of({ a: 2 }, { a: 1 }, { a: 1, b: "x" })).toEqual(object(["a", FLOAT], ["b", STRING, true]));
  });

  test("SHAPE3 arrays and objects in a union are one member each", () => {
    expect(of([1], ["x"], { a: 1 }, { a: "x" }, null)).toEqual({
      type: "Union",
      shapes: [
        { type: "Array", shape: { type: "Union", shapes: [FLOAT, STRING] } },
        object(["a", { type: "Union", shapes: [FLOAT, STRING] }]),
        { type: "Null" },
      ],
    });
    expect(of([])).toEqual({ type: "Array", shape: NEVER });
    expect(of([], [1])).toEqual({ type: "Array", shape: FLOAT });
  });

  test("SHAPE4 an object with too many names is a record, and so is what is merged with it", () => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i]));
    const record: Shape = { type: "Record", keyShape: STRING, valueShape: FLOAT };
    expect(of(many)).toEqual(record);
    expect(of({ a: 1 }, many)).toEqual(record);
    const half = (offset: number) => Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i + offset}`, i]));
    expect(of(half(0), half(30))).toEqual(record);
  });

  const seed = Date.now() % 2 ** 31;
  test(`SHAPE5 the order of values does not matter, nor does seeing them twice (seed ${seed})`, () => {
    const leaf = fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.string(), fc.constantFrom(id(1), id(2)));
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), { noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
        expect(of(...values.toReversed())).toEqual(of(...values));
        expect(of(...values, ...values)).toEqual(of(...values));
      }),
      { seed },
    );
  });
});
