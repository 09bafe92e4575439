import * as fc from "fast-check";
import { type Value, convexToJson } from "convex/values";
import type { JsonValue } from "../../../src/shared/json.ts";

export * as fc from "fast-check";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
fc.configureGlobal({ seed });
console.info(`fast-check seed: ${seed} (SEED=${seed} replays)`);

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

export const fieldName = fc.oneof(
  fc.string({ minLength: 0, maxLength: 4, unit: fc.constantFrom("a", "b", "Z", "_", "0", "9", "-", " ", "~") }),
  fc.constantFrom("constructor", "toString", "hasOwnProperty", "10", "9"),
);

const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.bigInt(INT64),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.double(),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(-0, Number.NaN, Infinity, -Infinity),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom("\u{10000}", "\uffff", "a", "\u0000", "é"),
  fc.uint8Array({ maxLength: 5 }).map((bytes) => Uint8Array.from(bytes).buffer),
);

/** Any Convex value, a few levels deep, small enough to collide often. */
export const convexValue: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fieldName, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

export function encoded(value: Value): JsonValue {
  return convexToJson(value);
}

/** A round trip through JSON text, as every value takes. */
export function parsed(value: Value): JsonValue {
  return JSON.parse(JSON.stringify(convexToJson(value)));
}
