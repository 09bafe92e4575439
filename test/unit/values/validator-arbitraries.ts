import { type GenericValidator, type Value, type VUnion, v } from "convex/values";
import { encodeDocumentId, tryDecodeDocumentId } from "../../../src/values/document-id.ts";
import type { JsonValue } from "../../../src/shared/json.ts";
import { convexValue, fc } from "./arbitraries.ts";

/** Table numbers of the tests. */
export const TABLES: ReadonlyMap<number, string> = new Map([
  [10_001, "users"],
  [10_002, "posts"],
  [512, "_storage"],
  [513, "_modules"],
]);

export const tables = { tableName: (number: number) => TABLES.get(number) ?? null };

export function id(number: number): string {
  return encodeDocumentId(number, new Uint8Array(16).fill(7));
}

/** Validator JSON as the package exports it. */
export function json(validator: GenericValidator): JsonValue {
  return JSON.parse(JSON.stringify(Reflect.get(validator, "json")));
}

/** A validator with values that it accepts. */
interface Case {
  readonly validator: GenericValidator;
  readonly accepted: fc.Arbitrary<Value>;
}

const name = fc.constantFrom("a", "b", "constructor", "_x");

const scalar: fc.Arbitrary<Case> = fc.oneof(
  fc.constantFrom<Case>(
    { validator: v.null(), accepted: fc.constant(null) },
    { validator: v.float64(), accepted: fc.double() },
    { validator: v.int64(), accepted: fc.bigInt({ min: -5n, max: 5n }) },
    { validator: v.commitTs(), accepted: fc.bigInt({ min: -5n, max: 5n }) },
    { validator: v.boolean(), accepted: fc.boolean() },
    { validator: v.string(), accepted: fc.string({ maxLength: 3 }) },
    { validator: v.bytes(), accepted: fc.uint8Array({ maxLength: 3 }).map((b) => Uint8Array.from(b).buffer) },
    { validator: v.any(), accepted: convexValue },
    { validator: v.id("users"), accepted: fc.constant(id(10_001)) },
    { validator: v.id("_storage"), accepted: fc.constant(id(512)) },
  ),
  fc
    .oneof(fc.constantFrom("x", "", true, 0, -0, 1.5), fc.bigInt({ min: -2n, max: 2n }))
    .map((value) => ({ validator: v.literal(value), accepted: fc.constant(value) })),
);

const pair: fc.Arbitrary<Case> = fc.letrec<{ case: Case }>((tie) => ({
  case: fc.oneof(
    { depthSize: "small" },
    scalar,
    tie("case").map((element) => ({
      validator: v.array(element.validator),
      accepted: fc.array(element.accepted, { maxLength: 3 }),
    })),
    tie("case").map((value) => ({
      validator: v.record(v.string(), value.validator),
      accepted: fc.dictionary(name, value.accepted, { noNullPrototype: true, maxKeys: 3 }),
    })),
    fc.array(tie("case"), { maxLength: 3 }).map((members) => ({
      validator: union(members.map((member) => member.validator)),
      accepted: members.length === 0 ? fc.constant(null) : fc.oneof(...members.map((member) => member.accepted)),
    })),
    fc.array(fc.tuple(name, fc.boolean(), tie("case")), { maxLength: 3 }).map((fields) => {
      const declared = new Map(fields.map(([key, optional, field]) => [key, { optional, ...field }]));
      return {
        validator: v.object(
          Object.fromEntries(
            [...declared].map(([key, field]) => [key, field.optional ? v.optional(field.validator) : field.validator]),
          ),
        ),
        accepted: fc.record(Object.fromEntries([...declared].map(([key, field]) => [key, field.accepted])), {
          requiredKeys: [...declared].filter(([, field]) => !field.optional).map(([key]) => key),
          noNullPrototype: true,
        }),
      };
    }),
  ),
})).case;

/** A validator beside a value that matches, nearly matches or has nothing to do with it. */
export const validatorAndValue: fc.Arbitrary<readonly [GenericValidator, Value]> = fc
  .oneof({ arbitrary: pair.map((one) => [one, one] as const), weight: 3 }, fc.tuple(pair, pair))
  .chain(([one, another]) => another.accepted.map((value) => [one.validator, value] as const));

function union(members: GenericValidator[]): GenericValidator {
  const built: VUnion<unknown, never> = Object(v.union(...members));
  return built;
}

/** The members of every kind of validator object in the package. */
interface Shape {
  readonly kind: string;
  readonly isOptional: string;
  readonly tableName: string;
  readonly value: unknown;
  readonly element: Shape;
  readonly key: Shape;
  readonly members: readonly Shape[];
  readonly fields: Readonly<Record<string, Shape>>;
}

/** The semantics of `abi.md` §1.5 said once more, naively, over the package's own validators and values. */
export function accepts(validator: GenericValidator, value: Value): boolean {
  const shape: Shape = Object(validator);
  return matches(shape, value);
}

function matches(validator: Shape, value: Value | undefined): boolean {
  if (value === undefined) return validator.isOptional === "optional";
  switch (validator.kind) {
    case "any":
      return true;
    case "null":
      return value === null;
    case "float64":
      return typeof value === "number";
    case "int64":
    case "commitTs":
      return typeof value === "bigint";
    case "boolean":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
    case "bytes":
      return value instanceof ArrayBuffer;
    case "id": {
      const decoded = typeof value === "string" ? tryDecodeDocumentId(value) : null;
      return decoded !== null && tables.tableName(decoded.tableNumber) === validator.tableName;
    }
    case "literal":
      return Object.is(validator.value, value);
    case "array":
      return Array.isArray(value) && value.every((item) => matches(validator.element, item));
    case "union":
      return validator.members.some((member) => matches(member, value));
    case "record": {
      const item: Shape = Object(validator.value);
      return (
        isPlain(value) && Object.entries(value).every(([k, field]) => matches(validator.key, k) && matches(item, field))
      );
    }
    case "object": {
      if (!isPlain(value)) return false;
      const declared = Object.entries(validator.fields);
      return (
        Object.keys(value).every((key) => Object.hasOwn(validator.fields, key)) &&
        declared.every(([key, field]) => matches(field, Object.hasOwn(value, key) ? value[key] : undefined))
      );
    }
    default:
      throw new Error(`Unknown kind ${validator.kind}`);
  }
}

function isPlain(value: Value): value is Record<string, Value> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ArrayBuffer);
}
