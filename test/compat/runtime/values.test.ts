import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestBackend } from "../../support/backend.ts";
import { convexValue, encoded, fc } from "../../unit/values/arbitraries.ts";
import { Api, type Kind, newGroup, startRuntimeApp } from "./api.ts";

let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  backend = await startRuntimeApp();
  api = new Api(backend);
});
afterAll(() => backend?.stop());

const MIB = 1024 * 1024;
const LEARN = "To learn about Convex's supported types, see https://docs.convex.dev/using/types.";

/** `accepted` and `refused` values of `args: {x: …}`, the latter with how the validator is shown. */
const VALIDATORS: Record<string, { accepted: unknown[]; refused: [value: unknown, error: RegExp][] }> = {
  nullish: { accepted: [null], refused: [[1, /Validator: v\.null\(\)/]] },
  int64: { accepted: [1n, -(2n ** 63n)], refused: [[1, /Validator: v\.int64\(\)/]] },
  number: { accepted: [1.5, Number.NaN, -0], refused: [[1n, /Value: 1\nValidator: v\.float64\(\)/]] },
  boolean: { accepted: [true, false], refused: [[0, /Validator: v\.boolean\(\)/]] },
  string: { accepted: ["", "é"], refused: [[null, /Value: null\nValidator: v\.string\(\)/]] },
  bytes: { accepted: [new Uint8Array([1]).buffer], refused: [["AQ==", /Validator: v\.bytes\(\)/]] },
  array: { accepted: [[], [1, 2]], refused: [[[1, "a"], /Path: \.x\[1\]\nValue: "a"\nValidator: v\.float64\(\)/]] },
  object: {
    accepted: [
      { a: "x", b: 1 },
      { a: "x", b: 1, c: true },
    ],
    refused: [
      [
        { a: "x" },
        /^ArgumentValidationError: Object is missing the required field `b`\. .*\nPath: \.x\nObject: \{a: "x"\}/,
      ],
      [
        { a: "x", b: 1, z: 1 },
        /^ArgumentValidationError: Object contains extra field `z` that is not in the validator\./,
      ],
      [
        [],
        /Value: \[\]\nValidator: v\.object\(\{a: v\.string\(\), b: v\.float64\(\), c: v\.optional\(v\.boolean\(\)\)\}\)/,
      ],
    ],
  },
  record: { accepted: [{}, { k: 1, "a b": 2 }], refused: [[{ k: "1" }, /Path: \.x\.values\(\)\nValue: "1"/]] },
  recordOfIds: {
    accepted: [{}],
    refused: [[{ k: null }, /Path: \.x\.keys\(\)\nValue: "k"\nValidator: v\.id\("items"\)/]],
  },
  union: { accepted: ["a", 1], refused: [[true, /Validator: v\.union\(v\.string\(\), v\.float64\(\)\)/]] },
  literal: {
    accepted: ["on"],
    refused: [["off", /`"off"` does not match literal validator `v\.literal\("on"\)`\.Path: \.x/]],
  },
  literalInt: { accepted: [7n], refused: [[7, /`7\.0` does not match literal validator `v\.literal\(7\)`/]] },
  any: { accepted: [null, { deep: [1n] }], refused: [[undefined, /missing the required field `x`/]] },
  optional: { accepted: ["a", undefined], refused: [[null, /Value: null\nValidator: v\.string\(\)/]] },
  nullable: { accepted: ["a", null], refused: [[1, /Validator: v\.union\(v\.string\(\), v\.null\(\)\)/]] },
  commitTs: { accepted: [1n], refused: [[1, /Validator: v\.commitTs\(\)/]] },
  picked: { accepted: [{ a: "x" }], refused: [[{ a: "x", b: 1 }, /extra field `b`/]] },
  omitted: { accepted: [{ b: 1 }], refused: [[{ a: "x", b: 1 }, /extra field `a`/]] },
  extended: { accepted: [{ a: "x", b: 1, d: "y" }], refused: [[{ a: "x", b: 1 }, /missing the required field `d`/]] },
  partial: { accepted: [{}, { b: 1 }], refused: [[{ b: "1" }, /Path: \.x\.b/]] },
};

function args(x: unknown): Parameters<Api["call"]>[2] {
  // What the table holds is a value, or `undefined` for a missing field.
  return (x === undefined ? {} : { x }) as Parameters<Api["call"]>[2];
}

describe("validators", () => {
  test.each(Object.entries(VALIDATORS))(
    "P-F-3 %s takes its values and no others",
    async (name, { accepted, refused }) => {
      for (const value of accepted) {
        expect(await api.value("action", `validators:${name}`, args(value))).toStrictEqual(
          value === undefined ? "missing" : value,
        );
      }
      for (const [value, error] of refused) {
        const text = await api.error("action", `validators:${name}`, args(value));
        expect(text).toMatch(/^ArgumentValidationError: /);
        expect(text).toMatch(error);
      }
    },
  );

  test("P-F-3 ids are those of the table, and a schema's document has its fields", async () => {
    const group = newGroup();
    const id: unknown = await api.value("mutation", "items:add", { group, n: 1 });
    const stamp = await api.value("mutation", "stamps:stamp", { group });
    expect(await api.value("action", "validators:id", args(id))).toBe(id);
    expect(await api.value("action", "validators:documentId", args(id))).toBe(id);
    expect(await api.value("action", "validators:recordOfIds", args({ [String(id)]: null }))).toEqual({
      [String(id)]: null,
    });
    expect(await api.error("action", "validators:id", args("not an id"))).toContain('Validator: v.id("items")');
    expect(stamp.id).toEqual(expect.any(String));
    expect(await api.error("action", "validators:id", args(stamp.id))).toBe(
      `ArgumentValidationError: Found ID "${stamp.id}" from table \`stamps\`, which does not match the table name in validator \`v.id("items")\`.Path: .x\n`,
    );
    const document = { _id: id, _creationTime: 1, group, n: 1 };
    expect(await api.value("action", "validators:document", args(document))).toEqual(document);
    expect(await api.error("action", "validators:document", args({ group, n: 1 }))).toContain(
      "Object is missing the required field `_creationTime`.",
    );
  });

  test("P-F-3 names of a record's fields have the rules of all fields", async () => {
    const answer = await api.post("action", { path: "validators:record", args: { x: { $a: 1 } } });
    expect(answer.error).toBe(
      "Invalid arguments for validators.js:record: Field name $a starts with a '$', which is reserved.\n",
    );
  });

  test("P-F-4 E-B-7 a wrong result is told after the function ran, and a mutation's writes are taken back", async () => {
    const text = 'ReturnsValidationError: Value does not match validator.\n\nValue: "x"\nValidator: v.float64()\n';
    expect(await api.error("action", "validators:returnsNumber", { value: "x" })).toBe(text);
    expect(await api.error("query", "validators:queryReturnsNumber", { value: "x" })).toBe(text);
    expect(await api.value("action", "validators:returnsNumber", { value: 1 })).toBe(1);
    const group = newGroup();
    expect(await api.error("action", "validators:addsAndReturnsWrong", { group })).toMatch(/^ReturnsValidationError: /);
    expect(await api.value("query", "items:list", { group })).toEqual([1]);
    expect(await api.error("mutation", "validators:mutationReturnsNumber", { group })).toMatch(
      /^ReturnsValidationError: /,
    );
    expect(await api.value("query", "items:list", { group })).toEqual([1]);
  });

  test.each<[unknown, string]>([
    [[1], "Expected to receive an object as the function's argument. Instead received: 1.0"],
    [[null], "Expected to receive an object as the function's argument. Instead received: null"],
    [
      [{}, {}],
      "Expected to receive a single object as the function's argument. Instead received 2 arguments: [{}, {}]",
    ],
    [[], "Expected to receive a single object as the function's argument. Instead received 0 arguments: []"],
  ])("E-B-6 %j are no named arguments", async (given, text) => {
    const answer = await api.post("query", { path: "values:echo", args: given });
    expect(answer.error).toBe(`ArgumentValidationError: ${text}\n`);
  });

  test("E-B-7b wrong arguments of a nested call are thrown inside the caller", async () => {
    const wrong =
      "ArgumentValidationError: Value does not match validator.\nPath: .group\nValue: 1.0\nValidator: v.string()\n";
    expect(await api.value("action", "nested:wrongArguments")).toEqual({
      query: wrong,
      mutation: wrong,
      returns: 'ReturnsValidationError: Value does not match validator.\n\nValue: "x"\nValidator: v.float64()\n',
    });
  });
});

describe("undefined", () => {
  test("P-F-5 as a field is no field, as a result is null, in an array is an error", async () => {
    expect(await api.value("query", "values:returnBad", { what: "undefinedField" })).toEqual({ b: 1 });
    expect(await api.value("action", "values:passBad", { what: "undefinedField" })).toEqual({ b: 1 });
    expect(await api.value("query", "values:returnBad", { what: "undefined" })).toBeNull();
    expect(await api.value("action", "values:returnBadFromAction", { what: "undefined" })).toBeNull();
    const text = `Uncaught Error: undefined is not a valid Convex value (present at path .list[1] in original object {"list":[1,"undefined"]}). ${LEARN}\n`;
    expect(await api.error("query", "values:returnBad", { what: "undefinedInArray" })).toBe(text);
  });

  test("E-E-3 in an argument too", async () => {
    expect(await api.error("action", "values:passBad", { what: "undefinedInArray" })).toContain(
      "undefined is not a valid Convex value (present at path .value.list[1] in original object",
    );
  });
});

describe("what is no value", () => {
  const returned = (what: string) => api.error("query", "values:returnBad", { what });

  test("E-E-1 maps, sets, dates, class instances, typed arrays and symbols", async () => {
    expect(await returned("map")).toBe('Uncaught Error: Map[["k",1]] is not a supported Convex type.\n');
    expect(await returned("set")).toBe("Uncaught Error: Set[1] is not a supported Convex type.\n");
    expect(await returned("date")).toBe(
      'Uncaught Error: Date "1970-01-01T00:00:00.000Z" is not a supported Convex type.\n',
    );
    expect(await returned("class")).toMatch(/^Uncaught Error: \w* ?\{"x":1\} is not a supported Convex type\.\n$/);
    expect(await returned("typedArray")).toContain('{"0":1} is not a supported Convex type.');
    expect(await returned("symbol")).toContain("is not a supported Convex type.");
    expect(await returned("nestedMap")).toBe(
      `Uncaught Error: Map[] is not a supported Convex type (present at path .a.b[0] in original object {"a":{"b":[{}]}}). ${LEARN}\n`,
    );
    expect(await api.error("action", "values:passBad", { what: "map" })).toMatch(
      /^Uncaught Error: Map\[\["k",1\]\] is not a supported Convex type \(present at path \.value .*\n {4}at handler \(\.\.\/convex\/values\.ts:\d+:\d+\)\n$/,
    );
    expect(await api.error("action", "values:passBadArgs")).toMatch(
      /^Uncaught Error: The arguments to a Convex function must be an object\. Received: \[object Map\]\n/,
    );
  });

  test("E-D-16 a query that was not run", async () => {
    expect(await api.error("query", "items:unrun")).toBe(
      "Uncaught Error: Return value is a Query. Results must be retrieved with `.collect()`, `.take(n), `.unique()`, or `.first()`.\n",
    );
  });

  test("E-E-2 functions", async () => {
    expect(await returned("function")).toBe('Uncaught Error: Function "[Function]" is not a supported Convex type.\n');
    expect(await returned("nestedFunction")).toContain(
      'Function "[Function]" is not a supported Convex type (present at path .a[0] in original object {"a":["[Function]"]})',
    );
  });

  test.each<[Kind, string]>([
    ["query", "values:returnBad"],
    ["action", "values:returnBadFromAction"],
  ])("E-E-4 a %s cannot return what is beyond the limits of values", async (kind, path) => {
    const start = `Function ${path.replace(":", ".js:")} return value invalid: `;
    for (const [what, reason] of [
      ["surrogate", "String contains an unpaired surrogate, which is not valid Unicode."],
      ["nested65", "Value is too nested (nested 65 levels deep > maximum nesting 64)"],
      ["array8193", "Array length is too long (8193 > maximum length 8192)"],
      ["fields1025", "Object has too many fields (1025 > maximum number 1024)"],
    ] as const) {
      expect(await api.error(kind, path, { what })).toBe(`${start}${reason}\n`);
    }
    expect(await api.value(kind, path, { what: "array8192" })).toHaveLength(8192);
    expect(JSON.stringify(await api.value(kind, path, { what: "nested64" }))).toHaveLength(64 * 2 + 1);
  });

  test("E-E-5 integers beyond 64 bits", async () => {
    expect(await returned("bigint")).toBe(
      "Uncaught Error: BigInt 9223372036854775808 does not fit into a 64-bit signed integer.\n",
    );
    expect(await returned("negativeBigint")).toContain("BigInt -9223372036854775809 does not fit");
    expect(await api.error("action", "values:passBad", { what: "bigint" })).toContain("does not fit into a 64-bit");
  });

  test("E-E-6 names of fields", async () => {
    expect(await returned("dollar")).toBe("Uncaught Error: Field name $a starts with a '$', which is reserved.\n");
    expect(await returned("longField")).toBe(
      `Uncaught Error: Field name ${"k".repeat(1025)} exceeds maximum field name length 1024.\n`,
    );
    expect(await returned("unicodeField")).toBe(
      "Uncaught Error: Field name é has invalid character 'é': Field names can only contain non-control ASCII characters\n",
    );
    expect(await returned("controlField")).toContain("has invalid character '\n'");
    expect((await api.post("query", { path: "values:echo", args: { value: { "\u00e9": 1 } } })).error).toBe(
      "Invalid arguments for values.js:echo: Field name é has invalid character 'é': Field names can only contain non-control ASCII characters\n",
    );
  });
});

describe("sizes", () => {
  test("E-F-5 arguments beyond 16 MiB, from a client and from an action", async () => {
    expect(await api.error("query", "values:echo", { value: "x".repeat(16 * MIB) })).toBe(
      "Arguments for values.js:echo are too large (actual: 16.00 MiB, limit: 16 MiB)\n",
    );
    expect(await api.error("action", "values:bigArgs", { bytes: 17 * MIB })).toMatch(
      /^Uncaught Error: Arguments for values\.js:internalEcho are too large \(actual: 17\.00 MiB, limit: 16 MiB\)\n/,
    );
  });

  test.each<[Kind, string]>([
    ["query", "values:big"],
    ["action", "values:bigAction"],
  ])("E-F-7 a %s returns 16 MiB at most", async (kind, path) => {
    expect(await api.error(kind, path, { bytes: 17 * MIB })).toBe(
      `Function ${path.replace(":", ".js:")} return value is too large (actual: 17.00 MiB, limit: 16 MiB)\n`,
    );
    expect(await api.value(kind, path, { bytes: 12 * MIB })).toHaveLength(12 * MIB);
  });

  test("E-F-5 E-F-7 what is too large to leave its isolate is told in the same words", async () => {
    expect(await api.error("action", "values:bigArgs", { bytes: 40 * MIB })).toMatch(
      /^Uncaught Error: Arguments for values\.js:internalEcho are too large \(actual: 40\.00 MiB, limit: 16 MiB\)\n/,
    );
    for (const [kind, path] of [
      ["query", "values:big"],
      ["action", "values:bigAction"],
    ] as const) {
      expect(await api.error(kind, path, { bytes: 40 * MIB })).toBe(
        `Function ${path.replace(":", ".js:")} return value is too large (actual: 40.00 MiB, limit: 16 MiB)\n`,
      );
    }
  });

  test("E-F-1 a document too large to leave its isolate is refused, and the mutation may go on", async () => {
    const group = newGroup();
    expect(await api.value("mutation", "values:insertHuge", { group, bytes: 40 * MIB })).toBe(
      "Value is too large (40.00 MiB > maximum size 32 MiB)",
    );
    expect(await api.value("query", "items:list", { group })).toEqual([1]);
  });

  test.each<[Kind, string, string]>([
    ["query", "values:echo", "function"],
    ["action", "values:echoAction", "action"],
  ])("E-F-18 beyond four fifths of it, a %s is warned", async (kind, path, named) => {
    const { value, logLines } = await api.call(kind, path, { value: "x".repeat(14 * MIB) });
    expect(value).toHaveLength(14 * MIB);
    expect(logLines).toEqual([
      expect.stringMatching(
        new RegExp(
          `^\\[WARN\\] Large size of the ${named} arguments \\(actual: 146800\\d\\d bytes, limit: 16777216 bytes\\)\\.$`,
        ),
      ),
      expect.stringMatching(
        new RegExp(
          `^\\[WARN\\] Large size of the ${named} return value \\(actual: 146800\\d\\d bytes, limit: 16777216 bytes\\)\\.$`,
        ),
      ),
    ]);
  });
});

test("P-F-6 every value survives the way through a query, a mutation, an action and all nested calls", async () => {
  const paths: [Kind, string][] = [
    ["query", "values:echo"],
    ["mutation", "values:echoMutation"],
    ["action", "values:echoAction"],
    ["action", "values:relay"],
  ];
  await fc.assert(
    fc.asyncProperty(convexValue, async (value) => {
      const results = await Promise.all(paths.map(([kind, path]) => api.value(kind, path, { value })));
      for (const result of results) expect(encoded(result)).toEqual(encoded(value));
    }),
    { numRuns: 60 },
  );
});
