import { type Value, convexToJson, getConvexSize, getDocumentSize, jsonToConvex } from "convex/values";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";
import {
  checkConvexJson,
  checkOptionalConvexJson,
  checkPatch,
  parseConvexJson,
} from "../../../src/values/convex-json.ts";
import { formatBytes, formatBytesCompact } from "../../../src/values/format-bytes.ts";
import { VALUE_LIMITS } from "../../../src/values/limits.ts";
import { decodeInt64, encodeFloat64, encodeInt64 } from "../../../src/values/special-value.ts";
import { checkStoredDocument } from "../../../src/values/stored-document.ts";
import { convexValue, encoded, fc } from "./arbitraries.ts";

/** The oracle refuses what we refuse, or reads the same value. */
function oracle(text: string): Value {
  return jsonToConvex(JSON.parse(text));
}

/** `levels` arrays and objects in turn around a number. */
function nested(levels: number): JsonValue {
  let value: JsonValue = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

describe("VAL1 what the package encodes is read back unchanged", () => {
  test("any value, from text, with keys in any order", () => {
    fc.assert(
      fc.property(convexValue.filter(isWellFormed), (value) => {
        const text = JSON.stringify(encoded(value));
        const canonical = parseConvexJson(text);
        expect(JSON.stringify(canonical)).toBe(text);
        const reversed = JSON.stringify(JSON.parse(text, (_key, item: unknown) => reverseKeys(item)));
        expect(JSON.stringify(parseConvexJson(reversed))).toBe(text);
        expect(oracle(JSON.stringify(canonical))).toEqual(value);
      }),
    );
  });

  test("a canonical value is not copied, and −0 becomes its special form", () => {
    const value = { a: [1, "x", { $integer: "AQAAAAAAAAA=" }], b: {} };
    expect(checkConvexJson(value).value).toBe(value);
    expect(parseConvexJson('{"b":-0,"a":0}')).toEqual({ a: 0, b: { $float: "AAAAAAAAAIA=" } });
  });

  test("a field named __proto__ stays a field", () => {
    const value = parseConvexJson('{"b":1,"__proto__":{"x":-0}}');
    expect(JSON.stringify(value)).toBe('{"__proto__":{"x":{"$float":"AAAAAAAAAIA="}},"b":1}');
  });
});

test("VAL2 the size of any value is the package's", () => {
  fc.assert(
    fc.property(convexValue.filter(isWellFormed), (value) => {
      expect(checkConvexJson(encoded(value)).size).toBe(getConvexSize(value));
    }),
  );
  const document = { _creationTime: 1, _id: "j57000820c20a1g7104gm2rc1m70ynr8", text: "é\u{10000}" };
  expect(checkStoredDocument(document).size).toBe(getDocumentSize(document));
});

test("VAL3 special values encode as in the vectors of the reference", () => {
  expect(encodeInt64(1n)).toEqual({ $integer: "AQAAAAAAAAA=" });
  expect(encodeInt64(-1n)).toEqual({ $integer: "//////////8=" });
  expect(encodeInt64(2n ** 63n - 1n)).toEqual({ $integer: "/////////38=" });
  expect(encodeFloat64(-0)).toEqual({ $float: "AAAAAAAAAIA=" });
  expect(encodeFloat64(Infinity)).toEqual({ $float: "AAAAAAAA8H8=" });
  expect(encodeFloat64(-Infinity)).toEqual({ $float: "AAAAAAAA8P8=" });
  expect(encodeFloat64(1.5)).toBe(1.5);
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      expect(encodeInt64(value)).toEqual(convexToJson(value));
      expect(decodeInt64(encodeInt64(value))).toBe(value);
    }),
  );
});

test("E-E-5 a bigint that does not fit is refused", () => {
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) {
    expect(() => encodeInt64(value)).toThrow(`BigInt ${value} does not fit into a 64-bit signed integer.`);
  }
});

describe("VAL4 malformed special values are refused with their text", () => {
  test.each([
    ['{"$float":"AAAAAAAA8D8="}', "Float 1 should be encoded as a number"],
    ['{"$float":"AAAAAAAAAAA="}', "Float 0 should be encoded as a number"],
    ['{"$float":"AAAA"}', "Received 3 bytes, expected 8 for $float"],
    ['{"$integer":"AQ=="}', "Received 1 bytes, expected 8 for $integer"],
    ['{"$integer":5}', 'Malformed $integer field on {"$integer":5}'],
    ['{"$bytes":null}', 'Malformed $bytes field on {"$bytes":null}'],
    ['{"$bytes":"AQI"}', 'Malformed $bytes field on {"$bytes":"AQI"}'],
    ['{"$bytes":"AQJ="}', 'Malformed $bytes field on {"$bytes":"AQJ="}'],
    ['{"$bytes":"AR=="}', 'Malformed $bytes field on {"$bytes":"AR=="}'],
    ['{"$bytes":"A==="}', 'Malformed $bytes field on {"$bytes":"A==="}'],
    ['{"$bytes":"-_-_"}', 'Malformed $bytes field on {"$bytes":"-_-_"}'],
    ['{"$commitTs":1}', 'Malformed $commitTs field on {"$commitTs":1}'],
    ['{"$set":[]}', "Received a Set which is no longer supported as a Convex type."],
    ['{"$map":[]}', "Received a Map which is no longer supported as a Convex type."],
    ['{"$undefined":null}', "Field name $undefined starts with a '$', which is reserved."],
    ["1e999", "Number out of range for a 64-bit float."],
  ])("%s", (text, message) => {
    expect(() => parseConvexJson(text)).toThrow(expect.objectContaining({ errorClass: "BadRequest", message }));
  });

  test("base64 of any bytes is accepted, and changed only by what decodes otherwise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9 }), (bytes) => {
        const text = Buffer.from(bytes).toString("base64");
        expect(checkConvexJson({ $bytes: text })).toMatchObject({ size: 2 + bytes.length });
      }),
    );
  });

  test("text that is no JSON is the developer's mistake", () => {
    expect(() => parseConvexJson("{")).toThrow(expect.objectContaining({ errorClass: "BadRequest" }));
  });
});

describe("E-E-6 field names", () => {
  test.each([
    ["$a", "Field name $a starts with a '$', which is reserved."],
    ["é", "Field name é has invalid character 'é': Field names can only contain non-control ASCII characters"],
    [
      "a\u007f",
      "Field name a\u007f has invalid character '\u007f': Field names can only contain non-control ASCII characters",
    ],
    ["x".repeat(1025), `Field name ${"x".repeat(1025)} exceeds maximum field name length 1024.`],
  ])("%s", (name, message) => {
    // The package is the oracle for the text.
    expect(() => convexToJson({ [name]: 1 })).toThrow(message);
    for (const value of [{ [name]: 1 }, [{ a: { [name]: 1, b: 2 } }]]) {
      expect(() => checkConvexJson(value)).toThrow(expect.objectContaining({ message }));
    }
    expect(() => checkPatch({ [name]: 1 })).toThrow(expect.objectContaining({ message }));
  });

  test("the empty name and every printable character are allowed", () => {
    const name = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");
    expect(checkConvexJson({ "": 1, [name]: 2, [`x$`]: 3 }).value).toEqual({ "": 1, [name]: 2, x$: 3 });
  });
});

const fields = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, 0]));

const message = (document: JsonObject) => {
  try {
    checkStoredDocument(document);
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return "accepted";
};

describe("limits of values in flight", () => {
  test("E-F-4 an array of 8193 elements", () => {
    expect(checkConvexJson(Array.from({ length: 8192 }, () => 0)).size).toBe(2 + 8192 * 9);
    expect(() => checkConvexJson({ a: Array.from({ length: 8193 }, () => 0) })).toThrow(
      "Array length is too long (8193 > maximum length 8192)",
    );
  });

  test("E-F-2 an object of 1025 fields", () => {
    expect(checkConvexJson(fields(1024)).nesting).toBe(1);
    expect(() => checkConvexJson([fields(1025)])).toThrow("Object has too many fields (1025 > maximum number 1024)");
  });

  test("E-F-3 65 levels, and 100 000 without overflowing the stack", () => {
    expect(checkConvexJson(nested(64)).nesting).toBe(64);
    for (const levels of [65, 100_000]) {
      expect(() => checkConvexJson(nested(levels))).toThrow(
        "Value is too nested (nested 65 levels deep > maximum nesting 64)",
      );
    }
  });

  test("E-F-1 a value of more than 32 MiB", () => {
    const chunk = "x".repeat(1024 * 1024);
    const value = Array.from({ length: 32 }, () => chunk);
    expect(() => checkConvexJson(value)).toThrow("Value is too large (32.00 MiB > maximum size 32 MiB)");
    expect(checkConvexJson(value.slice(1)).size).toBe(2 + 31 * (chunk.length + 2));
    expect(() => checkConvexJson("abc", { ...VALUE_LIMITS, size: 4 })).toThrow("(5 B > maximum size 4 B)");
  });

  test("VAL5 an unpaired surrogate is refused, a pair is not", () => {
    for (const text of ['"\\ud800"', '{"a":["\\udc00x"]}', '"\\udc00\\ud800"']) {
      expect(() => parseConvexJson(text)).toThrow("String contains an unpaired surrogate");
    }
    expect(parseConvexJson('"\\ud800\\udc00"')).toBe("\u{10000}");
  });

  test("VAL6 an unresolved commit timestamp is reported, wherever it is", () => {
    expect(checkConvexJson([{ a: { $commitTs: null } }])).toMatchObject({ hasCommitTs: true, size: 2 + 2 + 2 + 9 });
    expect(checkConvexJson([{ a: { b: null } }]).hasCommitTs).toBe(false);
  });
});

describe("VAL7 patches and filters know undefined", () => {
  test("only at the top of a field", () => {
    const patch = checkPatch({ gone: { $undefined: null }, kept: { b: 1, a: -0 } });
    expect([...patch.keys()]).toEqual(["gone", "kept"]);
    expect(patch.get("gone")).toBeUndefined();
    expect(JSON.stringify(patch.get("kept")?.value)).toBe('{"a":{"$float":"AAAAAAAAAIA="},"b":1}');
    expect(() => checkPatch({ a: [{ $undefined: null }] })).toThrow("starts with a '$'");
  });

  test("the value of a field may nest 64 levels", () => {
    expect(checkPatch({ a: nested(64) }).get("a")?.nesting).toBe(64);
    expect(() => checkPatch({ a: nested(65) })).toThrow("nested 65 levels deep");
  });

  test("a comparison with a missing field", () => {
    expect(checkOptionalConvexJson({ $undefined: null })).toBeUndefined();
    expect(checkOptionalConvexJson({ a: 1 })?.value).toEqual({ a: 1 });
    expect(() => checkOptionalConvexJson({ $undefined: 1 })).toThrow("starts with a '$'");
  });
});

describe("stored documents", () => {
  const system = { _creationTime: 1.5, _id: "j57000820c20a1g7104gm2rc1m70ynr8" };
  const start = 'Document(value: {_creationTime: 1.5, _id: "j57000820c20a1g7104gm2rc1m70ynr8"';

  test("E-F-3 17 levels, the document itself being the first", () => {
    expect(checkStoredDocument({ ...system, a: nested(15) }).nesting).toBe(16);
    expect(() => checkStoredDocument({ ...system, a: nested(16) })).toThrow(
      /^Document\(value: .* isn't a valid document: Document is too nested \(nested 17 levels deep > maximum nesting 16\)$/,
    );
    expect(() => checkStoredDocument({ ...system, a: nested(64) })).toThrow("(nested 65 levels deep > maximum");
  });

  test("VAL8 every other field with an underscore is reported, after the nesting", () => {
    expect(message({ ...system, _x: 1 })).toBe(
      `${start}, _x: 1.0}) isn't a valid document: Field '_x' starts with an underscore, which is only allowed for system fields like '_id'`,
    );
    expect(message({ ...system, _z: nested(16), _y: 1 })).toMatch(
      /isn't a valid document: Document is too nested \(nested 17 .* 16\)\n Field '_y' .*\n Field '_z' starts with/,
    );
    expect(message({ ...system, a: { _x: 1 } })).toBe("accepted");
  });

  test("E-F-1 more than 1 MiB, system fields included", () => {
    const room = 1024 * 1024 - checkStoredDocument({ ...system, a: "" }).size;
    expect(checkStoredDocument({ ...system, a: "x".repeat(room) }).size).toBe(1024 * 1024);
    expect(() => checkStoredDocument({ ...system, a: "x".repeat(room + 1) })).toThrow(
      "Value is too large (1.00 MiB > maximum size 1 MiB)",
    );
    expect(() => checkStoredDocument({ ...system, a: "x".repeat(1_100_000) })).toThrow(
      "Value is too large (1.05 MiB > maximum size 1 MiB)",
    );
  });

  test("VAL9 top-level names have 64 characters, nested ones 1024", () => {
    const name = "n".repeat(65);
    expect(checkStoredDocument({ ...system, a: { [name]: 1 } }).nesting).toBe(2);
    expect(() => checkStoredDocument({ ...system, [name]: 1 })).toThrow("exceeds maximum field name length 64.");
  });
});

test("VAL10 byte amounts in texts", () => {
  expect([0, 1023, 1024, 1536, 16 * 1024 ** 2, 1.5 * 1024 ** 2, 1024 ** 3].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1 KiB",
    "1.50 KiB",
    "16 MiB",
    "1.50 MiB",
    "1 GiB",
  ]);
  expect([16 * 1024 ** 2, 1.5 * 1024 ** 2, 1_100_000].map(formatBytesCompact)).toEqual([
    "16 MiB",
    "1.5 MiB",
    "1.05 MiB",
  ]);
});

function reverseKeys(item: unknown): unknown {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
  return Object.fromEntries(Object.entries(item).toReversed());
}

function isWellFormed(value: Value): boolean {
  return JSON.stringify(encoded(value)).search(/\\ud[89a-f]/) < 0;
}
