import { unreachable } from "../shared/assert.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { displayLiteral, displayValidator } from "./display-validator.ts";
import { displayValue, displayValues, sortedEntries } from "./display-value.ts";
import { tryDecodeDocumentId } from "./document-id.ts";
import { field, isPlainObject, payload, valueKind } from "./special-value.ts";
import type { LiteralValidator, ObjectValidator, Validator } from "./validator.ts";

/** What the checker asks about tables, within the component whose function or document is checked. */
export interface TableNames {
  /** Name of the table with that number, virtual system tables by their virtual name; `null` when there is none. */
  tableName(tableNumber: number): string | null;
}

/**
 * Why `value` (canonical ConvexJSON) does not match, as the text of `abi.md` §1.5 without its prefix; `null` when it
 * does. Allocates nothing unless something does not match.
 */
export function checkValue(validator: Validator, value: JsonValue, tables: TableNames): string | null {
  const mismatch = check(validator, value, tables);
  return mismatch === null ? null : describe(mismatch);
}

/** The whole text of E-B-1 … E-B-6, or `null`. `v.any()` takes whatever arguments there are. */
export function checkArgs(validator: Validator, args: readonly JsonValue[], tables: TableNames): string | null {
  if (validator.kind === "any") return null;
  const reason = argumentsReason(args) ?? checkValue(validator, args[0] ?? null, tables);
  return reason === null ? null : `ArgumentValidationError: ${reason}`;
}

/** The whole text of E-B-7, or `null`. */
export function checkReturns(validator: Validator, value: JsonValue, tables: TableNames): string | null {
  const reason = checkValue(validator, value, tables);
  return reason === null ? null : `ReturnsValidationError: ${reason}`;
}

function argumentsReason(args: readonly JsonValue[]): string | null {
  if (args.length !== 1) {
    return `Expected to receive a single object as the function's argument. Instead received ${args.length} arguments: ${displayValues(args)}`;
  }
  const [argument] = args;
  if (isPlainObject(argument)) return null;
  return `Expected to receive an object as the function's argument. Instead received: ${displayValue(argument ?? null)}`;
}

interface Mismatch {
  /** Segments from the innermost out: each level adds its own on the way back. */
  readonly path: string[];
  readonly reason:
    | { readonly kind: "missing" | "extra"; readonly name: string }
    | { readonly kind: "wrongTable"; readonly table: string }
    | { readonly kind: "literal"; readonly literal: LiteralValidator }
    | { readonly kind: "other" };
  readonly validator: Validator;
  readonly value: JsonValue;
}

function check(validator: Validator, value: JsonValue, tables: TableNames): Mismatch | null {
  switch (validator.kind) {
    case "any":
      return null;
    case "null":
      return value === null ? null : other(validator, value);
    case "boolean":
      return typeof value === "boolean" ? null : other(validator, value);
    case "string":
      return typeof value === "string" ? null : other(validator, value);
    case "float64":
      return typeof value === "number" || valueKind(value) === "float64" ? null : other(validator, value);
    case "int64":
    case "commitTs": {
      const kind = valueKind(value);
      return kind === "int64" || kind === "commitTs" ? null : other(validator, value);
    }
    case "bytes":
      return valueKind(value) === "bytes" ? null : other(validator, value);
    case "id":
      return checkId(validator, value, tables);
    case "literal":
      if (sameLiteral(validator.value, value)) return null;
      return { path: [], reason: { kind: "literal", literal: validator }, validator, value };
    case "array":
      return checkArray(validator, value, tables);
    case "record":
      return checkRecord(validator, value, tables);
    case "object":
      return isPlainObject(value) ? checkObject(validator, value, tables) : other(validator, value);
    case "union":
      return checkUnion(validator, value, tables);
    default:
      return unreachable(validator);
  }
}

function checkId(validator: Extract<Validator, { kind: "id" }>, value: JsonValue, tables: TableNames): Mismatch | null {
  const id = typeof value === "string" ? tryDecodeDocumentId(value) : null;
  const table = id === null ? null : tables.tableName(id.tableNumber);
  if (table === null) return other(validator, value);
  if (table === validator.tableName) return null;
  return { path: [], reason: { kind: "wrongTable", table }, validator, value };
}

function checkArray(
  validator: Extract<Validator, { kind: "array" }>,
  value: JsonValue,
  tables: TableNames,
): Mismatch | null {
  if (!Array.isArray(value)) return other(validator, value);
  const items: readonly JsonValue[] = value;
  for (let i = 0; i < items.length; i++) {
    const mismatch = check(validator.element, items[i] ?? null, tables);
    if (mismatch !== null) return within(`[${i}]`, mismatch);
  }
  return null;
}

function checkRecord(
  validator: Extract<Validator, { kind: "record" }>,
  value: JsonValue,
  tables: TableNames,
): Mismatch | null {
  if (!isPlainObject(value)) return other(validator, value);
  for (const [name, item] of sortedEntries(value)) {
    const badKey = check(validator.key, name, tables);
    if (badKey !== null) return within(".keys()", badKey);
    const badValue = check(validator.value, item, tables);
    if (badValue !== null) return within(".values()", badValue);
  }
  return null;
}

/** Declared fields first, in order of their names, then undeclared ones. */
function checkObject(validator: ObjectValidator, value: JsonObject, tables: TableNames): Mismatch | null {
  let present = 0;
  for (const { name, optional, validator: expected } of validator.fields) {
    const item = field(value, name);
    if (item === undefined) {
      if (optional) continue;
      return { path: [], reason: { kind: "missing", name }, validator, value };
    }
    present++;
    const mismatch = check(expected, item, tables);
    if (mismatch !== null) return within(`.${name}`, mismatch);
  }
  const names = Object.keys(value);
  if (names.length === present) return null;
  const [name = ""] = names.filter((candidate) => !validator.names.has(candidate)).toSorted();
  return { path: [], reason: { kind: "extra", name }, validator, value };
}

function checkUnion(
  validator: Extract<Validator, { kind: "union" }>,
  value: JsonValue,
  tables: TableNames,
): Mismatch | null {
  const [only] = validator.members;
  if (only !== undefined && validator.members.length === 1) return check(only, value, tables);
  for (const member of validator.members) if (check(member, value, tables) === null) return null;
  return other(validator, value);
}

/** Canonical values are equal when their texts are; literals are scalars. */
function sameLiteral(literal: JsonValue, value: JsonValue): boolean {
  if (typeof literal !== "object" || literal === null) return literal === value;
  if (valueKind(literal) === "int64") {
    return valueKind(value) === "int64" && payload(literal, "$integer") === payload(value, "$integer");
  }
  return JSON.stringify(literal) === JSON.stringify(value);
}

function other(validator: Validator, value: JsonValue): Mismatch {
  return { path: [], reason: { kind: "other" }, validator, value };
}

function within(segment: string, mismatch: Mismatch): Mismatch {
  mismatch.path.push(segment);
  return mismatch;
}

function describe({ path, reason, validator, value }: Mismatch): string {
  const context = path.length === 0 ? "" : `Path: ${path.toReversed().join("")}`;
  const object = `${context}\nObject: ${displayValue(value)}\nValidator: ${displayValidator(validator)}`;
  switch (reason.kind) {
    case "missing":
      return `Object is missing the required field \`${reason.name}\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.\n${object}`;
    case "extra":
      return `Object contains extra field \`${reason.name}\` that is not in the validator.\n${object}`;
    case "wrongTable": {
      const source = reason.table.startsWith("_") ? "from a system table" : `from table \`${reason.table}\``;
      return `Found ID ${JSON.stringify(value)} ${source}, which does not match the table name in validator \`${displayValidator(validator)}\`.${context}`;
    }
    case "literal":
      return `\`${displayValue(value)}\` does not match literal validator \`v.literal(${displayLiteral(reason.literal)})\`.${context}`;
    case "other":
      return `Value does not match validator.\n${context}\nValue: ${displayValue(value)}\nValidator: ${displayValidator(validator)}`;
    default:
      return unreachable(reason);
  }
}
