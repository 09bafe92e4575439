import { defineSchema, defineTable } from "convex/server";
import { type GenericValidator, v } from "convex/values";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";
import { displayValidator } from "../../../src/values/display-validator.ts";
import {
  checkDocument,
  enforceSchema,
  existingDocumentMismatch,
  newDocumentMismatch,
} from "../../../src/values/enforce-schema.ts";
import { SCHEMA_LIMITS } from "../../../src/values/limits.ts";
import { parseSchema } from "../../../src/values/parse-schema.ts";
import { tableDeletionError } from "../../../src/values/schema-references.ts";
import { id, json, tables } from "./validator-arbitraries.ts";

type Definition = Parameters<typeof defineSchema>[0];

function exported(definition: Definition, options?: { schemaValidation: boolean }): JsonValue {
  const schema: { export(): string } = Object(defineSchema(definition, options));
  return JSON.parse(schema.export());
}

function parse(definition: Definition, options?: { schemaValidation: boolean }) {
  return parseSchema(exported(definition, options));
}

/** Schema JSON with one table of `any` documents, for what the package would refuse or TypeScript would. */
function raw(table: JsonObject): JsonValue {
  return { tables: [{ tableName: "t", indexes: [], documentType: { type: "any" }, ...table }], schemaValidation: true };
}

function index(name: string, fields: readonly string[]): JsonObject {
  return { indexDescriptor: name, fields };
}

const messages = () =>
  defineTable({ body: v.string(), author: v.object({ name: v.string() }), e: v.array(v.number()) });

test("SCH1 a schema as the package exports it", () => {
  const schema = parse({
    messages: messages()
      .index("by_author", ["author.name", "body"])
      .index("later", { fields: ["body"], staged: true })
      .searchIndex("search", { searchField: "body", filterFields: ["author.name"] })
      .vectorIndex("vector", { vectorField: "e", dimensions: 3 }),
    other: defineTable(v.union(v.object({ a: v.string() }), v.object({ b: v.number() }))),
    any: defineTable(v.any()),
  });
  expect(schema.schemaValidation).toBe(true);
  expect([...schema.tables.keys()]).toEqual(["messages", "other", "any"]);
  expect(schema.tables.get("messages")?.indexes).toEqual([
    { name: "by_author", staged: false, definition: { type: "database", fields: ["author.name", "body"] } },
    { name: "later", staged: true, definition: { type: "database", fields: ["body"] } },
    {
      name: "search",
      staged: false,
      definition: { type: "search", searchField: "body", filterFields: ["author.name"] },
    },
    {
      name: "vector",
      staged: false,
      definition: { type: "vector", vectorField: "e", dimensions: 3, filterFields: [] },
    },
  ]);
  expect(schema.tables.get("other")?.documentType.kind).toBe("union");
});

test("SCH2 what may be missing has its default", () => {
  const schema = parseSchema({ tables: [{ tableName: "t" }] });
  expect(schema.schemaValidation).toBe(false);
  expect(schema.tables.get("t")).toEqual({ name: "t", documentType: { kind: "any" }, indexes: [] });
  const vector = parseSchema(
    raw({ vectorIndexes: [{ indexDescriptor: "v", vectorField: "e", dimension: 2 }] }),
  ).tables.get("t")?.indexes[0];
  expect(vector?.definition).toMatchObject({ dimensions: 2, filterFields: [] });
});

test("SCH3 system fields in a document type are left out", () => {
  const documentType = v.object({ _id: v.id("t"), _creationTime: v.number(), a: v.string() });
  const schema = parse({ t: defineTable(documentType), u: defineTable(v.union(documentType, documentType)) });
  const display = [...schema.tables.values()].map((table) => displayValidator(table.documentType));
  expect(display).toEqual([
    "v.object({a: v.string()})",
    "v.union(v.object({a: v.string()}), v.object({a: v.string()}))",
  ]);
});

const fields = (n: number) => Array.from({ length: n }, (_, i) => `f${i}`);

const search = (name: string, filterFields: readonly string[] = []) => ({
  indexDescriptor: name,
  searchField: "s",
  filterFields,
});

const vector = (name: string, dimensions: number) => ({ indexDescriptor: name, vectorField: "e", dimensions });

describe("E-F-10 index rules", () => {
  const indexes = (n: number) => Array.from({ length: n }, (_, i) => index(`i${i}`, [`f${i}`]));
  const at = 'In table "t": In index "i": ';
  test.each<[JsonValue, string]>([
    [raw({ tableName: "_x" }), "_x is a reserved table name."],
    [
      raw({ tableName: "a-b" }),
      'Invalid table name: "a-b". Identifiers must start with a letter and can only contain letters, digits, and underscores.',
    ],
    [raw({ indexes: indexes(33) }), 'Table "t" cannot have more than 32 indexes.'],
    [
      raw({
        indexes: indexes(30),
        stagedDbIndexes: [index("x", ["f"])],
        searchIndexes: [search("s"), search("s2", ["f"])],
      }),
      'Table "t" cannot have more than 32 indexes.',
    ],
    [
      raw({ searchIndexes: fields(5).map((name) => search(name, [name])) }),
      'Table "t" cannot have more than 4 search indexes.',
    ],
    [
      raw({ stagedVectorIndexes: fields(5).map((name, i) => vector(name, i + 2)) }),
      'Table "t" cannot have more than 4 vector indexes.',
    ],
    [raw({ indexes: [index("i", fields(17))] }), `${at}Indexes may have up to 16 fields.`],
    [raw({ searchIndexes: [search("i", fields(17))] }), `${at}Search indexes may have up to 16 filter fields.`],
    [raw({ indexes: [index("i", [])] }), 'In table "t" index "i" must have at least one field.'],
    [raw({ stagedDbIndexes: [index("i", [])] }), 'In table "t" staged index "i" must have at least one field.'],
    [
      raw({ indexes: [index("i", ["a", "b", "a"])] }),
      `${at}Duplicate field "a". Index fields must be unique within an index.`,
    ],
    [
      raw({ indexes: [index("i", ["_id"])] }),
      `${at}\`_id\` is not a valid index field. To load documents by ID, use \`db.get(id)\`.`,
    ],
    [
      raw({ indexes: [index("i", ["a", "_creationTime"])] }),
      `${at}\`_creationTime\` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.`,
    ],
    [raw({ indexes: [index("i", ["_x"])] }), `${at}Reserved fields (starting with \`_\`) are not allowed in indexes.`],
    [
      raw({ indexes: [index("a", ["x", "y"]), index("c", ["y", "x"]), index("b", ["x", "y"])] }),
      'In table "t" index "a" and index "b" have the same fields. Indexes must be unique within a table.',
    ],
    [
      raw({ searchIndexes: [search("a", ["x", "y"]), search("c", ["x"]), search("b", ["y", "x"])] }),
      'In table "t" search index "a" and search index "b" have the same `searchField`. Search index fields must be unique within a table. You should combine the\n             indexes with the same `searchField` into one index containing all `filterField`s and then use different subsets of the `filterField`s at query time.',
    ],
    [
      raw({ vectorIndexes: [vector("a", 4), vector("c", 5), vector("b", 4)] }),
      'In table "t" vector index "a" and vector index "b" have the same `vectorField`. Vector index fields must be unique within a table. You should combine the\n             indexes with the same `vectorField` into one index containing all `filterField`s and then use different subsets of the `filterField`s at query time.',
    ],
    [
      raw({ indexes: [index("i", ["x"])], searchIndexes: [search("i")] }),
      'Table "t" has two or more definitions of index "i".',
    ],
    [
      raw({ indexes: [index("by_id", ["x"])] }),
      'In table "t" cannot name an index "by_id" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".',
    ],
    [
      raw({ indexes: [index("1", ["x"])] }),
      'Invalid index name: "1". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.',
    ],
    [raw({ indexes: [index("i", ["a-b"])] }), 'In index "i": Invalid index field: "a-b"'],
    [raw({ searchIndexes: [{ indexDescriptor: "i", searchField: "" }] }), 'In index "i": Invalid index field: ""'],
    [raw({ vectorIndexes: [vector("i", 1)] }), "Dimensions 1 must be between 2 and 4096."],
    [raw({ vectorIndexes: [vector("i", 4097)] }), "Dimensions 4097 must be between 2 and 4096."],
    [raw({ indexes: 1 }), `Default export from schema file isn't a Convex schema: in table "t" indexes is not a list.`],
    [{}, "Default export from schema file isn't a Convex schema: it has no list of tables."],
  ])("%j", (schema, message) => {
    expect(() => parseSchema(schema)).toThrow(expect.objectContaining({ errorClass: "BadRequest", message }));
  });

  test("32 indexes of 16 fields, a staged twin and other vectors of one field are fine", () => {
    const twin = { indexes: [index("a", ["x"])], stagedDbIndexes: [index("b", ["x"])] };
    expect(parseSchema(raw(twin)).tables.get("t")?.indexes).toHaveLength(2);
    expect(parseSchema(raw({ indexes: indexes(32) })).tables.get("t")?.indexes).toHaveLength(32);
    expect(parseSchema(raw({ indexes: [index("i", fields(16))] })).tables.size).toBe(1);
    expect(parseSchema(raw({ vectorIndexes: [vector("a", 2), vector("b", 4096)] })).tables.size).toBe(1);
  });

  test("E-F-9 the number of tables is limited by a setting", () => {
    const schema = { tables: ["a", "b", "c"].map((tableName) => ({ tableName })) };
    expect(parseSchema(schema).tables.size).toBe(3);
    expect(() => parseSchema(schema, { ...SCHEMA_LIMITS, tables: 2 })).toThrow("Number of tables cannot exceed 2.");
  });
});

function missing(name: string, field: string): string {
  return `In table "t" the index "${name}" is invalid because it references the field "${field}" that does not exist.`;
}

function indexed(field: string, documentType: GenericValidator): () => unknown {
  const schema = raw({ indexes: [index("i", [field])], documentType: json(documentType) });
  return () => parseSchema(schema);
}

function searchTable(searchField: string, filter: string): JsonValue {
  return raw({
    documentType: json(v.object({ s: v.string() })),
    searchIndexes: [{ indexDescriptor: "i", searchField, filterFields: [filter] }],
  });
}

function vectorTable(e: GenericValidator): JsonValue {
  return raw({
    documentType: json(v.object({ e })),
    vectorIndexes: [{ indexDescriptor: "i", vectorField: "e", dimensions: 2 }],
  });
}

describe("SCH4 indexed fields exist", () => {
  test("through objects, unions, optional fields and any, not through records or scalars", () => {
    const type = v.object({
      o: v.optional(v.object({ x: v.string() })),
      any: v.any(),
      r: v.record(v.string(), v.any()),
    });
    for (const field of ["o", "o.x", "any.deep.path", "r"]) expect(indexed(field, type)).not.toThrow();
    for (const field of ["o.y", "r.k", "gone", "o.x.z"]) expect(indexed(field, type)).toThrow(missing("i", field));
    expect(indexed("b", v.union(v.object({ a: v.string() }), v.object({ b: v.string() })))).not.toThrow();
    expect(indexed("c", v.union(v.object({ a: v.string() }), v.object({ b: v.string() })))).toThrow(missing("i", "c"));
  });

  test("search and filter fields too", () => {
    expect(() => parseSchema(searchTable("s", "s"))).not.toThrow();
    expect(() => parseSchema(searchTable("x", "s"))).toThrow(missing("i", "x"));
    expect(() => parseSchema(searchTable("s", "y"))).toThrow(missing("i", "y"));
  });

  test("P-T-1 a search field holds a string", () => {
    const withType = (e: GenericValidator): JsonValue =>
      raw({
        documentType: json(v.object({ e })),
        searchIndexes: [{ indexDescriptor: "i", searchField: "e", filterFields: [] }],
      });
    const good = [
      v.string(),
      v.optional(v.string()),
      v.any(),
      v.union(v.null(), v.string()),
      v.literal("a"),
      v.id("t"),
    ];
    for (const type of good) expect(() => parseSchema(withType(type))).not.toThrow();
    for (const type of [v.number(), v.array(v.string()), v.literal(1), v.union(v.null(), v.boolean())]) {
      expect(() => parseSchema(withType(type))).toThrow(
        'In table "t" the search index "i" is invalid because it references the field "e" that is neither a string or optional string.',
      );
    }
  });

  test("a vector field holds an array of float64", () => {
    const good = [
      v.array(v.float64()),
      v.optional(v.array(v.float64())),
      v.array(v.any()),
      v.any(),
      v.union(v.string(), v.array(v.float64())),
    ];
    for (const type of good) expect(() => parseSchema(vectorTable(type))).not.toThrow();
    for (const type of [v.array(v.string()), v.string(), v.array(v.int64())]) {
      expect(() => parseSchema(vectorTable(type))).toThrow(
        'In table "t" the vector index "i" is invalid because it references the field "e" that is neither an array of float64 or optional array of float64.',
      );
    }
  });
});

test("SCH5 a document type is an object, a union of objects or any", () => {
  for (const [documentType, display] of [
    [{ type: "string" }, "v.string()"],
    [{ type: "union", value: [{ type: "object", value: {} }, { type: "any" }] }, "v.union(v.object({}), v.any())"],
  ] as const) {
    const message = `The document validator in a schema must be an object, a union of objects, or \`v.any()\`. Found ${display}. To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.`;
    expect(() => parseSchema(raw({ documentType }))).toThrow(expect.objectContaining({ message }));
    expect(() => parseSchema(raw({ stagedDocumentType: documentType }))).toThrow(expect.objectContaining({ message }));
  }
});

describe("E-B-16 enforcement", () => {
  const system = { _id: id(10_001), _creationTime: 1.5 };
  const definition = { users: defineTable({ name: v.string() }) };
  const mismatch = "Value does not match validator.\nPath: .name\nValue: 1.0\nValidator: v.string()";

  test("system fields are not the schema's business", () => {
    const schema = parse(definition);
    expect(checkDocument(schema, "users", { ...system, name: "x" }, tables)).toBeNull();
    expect(checkDocument(schema, "users", { ...system, name: 1 }, tables)).toBe(mismatch);
    expect(checkDocument(schema, "users", { ...system }, tables)).toContain("Object: {}\n");
  });

  test("the texts of writes and of pushes", () => {
    expect(() => enforceSchema(parse(definition), "users", { ...system, name: 1 }, tables)).toThrow(
      expect.objectContaining({
        code: "SchemaEnforcementError",
        message: `Failed to insert or update a document in table "users" because it does not match the schema: ${mismatch}`,
      }),
    );
    expect(existingDocumentMismatch("users", system["_id"], mismatch)).toBe(
      `Document with ID "${system["_id"]}" in table "users" does not match the schema: ${mismatch}`,
    );
    expect(newDocumentMismatch("users", mismatch)).toBe(
      `New document in table "users" does not match the schema: ${mismatch}`,
    );
  });

  test("unknown tables and schemas without validation allow everything", () => {
    expect(checkDocument(parse(definition), "posts", { name: 1 }, tables)).toBeNull();
    expect(checkDocument(parse(definition, { schemaValidation: false }), "users", { name: 1 }, tables)).toBeNull();
  });
});

test("SCH6 a table that the schema mentions can't be deleted", () => {
  const schema = parse({
    users: defineTable({ name: v.string() }),
    posts: defineTable({ by: v.array(v.union(v.null(), v.id("people"))), r: v.record(v.id("keys"), v.any()) }),
  });
  expect(tableDeletionError(schema, "users")).toBe('Failed to delete table "users" because it appears in the schema');
  for (const table of ["people", "keys"]) {
    expect(tableDeletionError(schema, table)).toBe(
      `Failed to delete table "${table}" because \`v.id("${table}")\` appears in the schema of table "posts"`,
    );
  }
  expect(tableDeletionError(schema, "gone")).toBeNull();
});
