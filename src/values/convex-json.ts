import { Base64 } from "convex/values";
import { unreachable } from "../shared/assert.ts";
import { type CodedError, badRequest } from "../shared/coded-error.ts";
import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";
import { formatBytes } from "./format-bytes.ts";
import { VALUE_LIMITS, type ValueLimits } from "./limits.ts";
import { type SpecialKey, encodeFloat64, specialKey } from "./special-value.ts";
import { utf8Length } from "./utf8.ts";

/**
 * A value that came through the door. `value` is canonical: keys sorted as far as JavaScript objects can be (names
 * that look like array indexes always come first), −0 as `$float`, base64 in its one form. So two values are equal
 * exactly when their `JSON.stringify` texts are.
 */
export interface CheckedValue {
  readonly value: JsonValue;
  /** Convex size in bytes (`abi.md` §3.2). */
  readonly size: number;
  /** Levels of arrays and objects: 0 for a scalar, 1 for `[]`. */
  readonly nesting: number;
  /** True when `{"$commitTs":null}` occurs, which only mutations may pass and store. */
  readonly hasCommitTs: boolean;
}

/** Parses and checks ConvexJSON text. Throws a `CodedError` with the text of `abi.md` §3.1 or §3.4. */
export function parseConvexJson(text: string, limits?: ValueLimits): JsonValue {
  return checkConvexJsonText(text, limits).value;
}

/** The same, with what the walk found out. */
export function checkConvexJsonText(text: string, limits?: ValueLimits): CheckedValue {
  return checkConvexJson(parseJson(text), limits);
}

/** Checks parsed ConvexJSON in one walk, which copies only what is not canonical yet. */
export function checkConvexJson(json: JsonValue, limits: ValueLimits = VALUE_LIMITS): CheckedValue {
  const walk = new Walk(limits);
  const value = walk.value(json, 0);
  if (walk.size > limits.size) throw tooLarge(walk.size, limits.size);
  return { value, size: walk.size, nesting: walk.nesting, hasCommitTs: walk.hasCommitTs };
}

/** As in filters and patches, where `{"$undefined":null}` stands for a missing field. */
export function checkOptionalConvexJson(json: JsonValue, limits?: ValueLimits): CheckedValue | undefined {
  if (isJsonObject(json) && Object.keys(json).length === 1 && json["$undefined"] === null) return undefined;
  return checkConvexJson(json, limits);
}

/**
 * The fields of a patch: `undefined` removes one. Each field's value has the limits of a value in flight, and the
 * patched document is checked as a whole by whoever builds it.
 */
export function checkPatch(
  patch: JsonObject,
  limits: ValueLimits = VALUE_LIMITS,
): ReadonlyMap<string, CheckedValue | undefined> {
  const fields = new Map<string, CheckedValue | undefined>();
  for (const [name, json] of Object.entries(patch)) {
    checkFieldName(name, limits.fieldNameLength);
    fields.set(name, checkOptionalConvexJson(json, limits));
  }
  if (fields.size > limits.objectFields) throw tooManyFields(fields.size, limits.objectFields);
  return fields;
}

/** Throws the texts of E-E-6. */
export function checkFieldName(name: string, maxLength: number): void {
  if (name.length > maxLength) {
    throw invalid("InvalidFieldName", `Field name ${name} exceeds maximum field name length ${maxLength}.`);
  }
  if (name.charCodeAt(0) === 0x24) {
    throw invalid("InvalidFieldName", `Field name ${name} starts with a '$', which is reserved.`);
  }
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code < 32 || code >= 127) {
      throw invalid(
        "InvalidFieldName",
        `Field name ${name} has invalid character '${name.charAt(i)}': Field names can only contain non-control ASCII characters`,
      );
    }
  }
}

export function tooLarge(size: number, maximum: number): CodedError {
  return badRequest(
    "ValueTooLargeError",
    `Value is too large (${formatBytes(size)} > maximum size ${formatBytes(maximum)})`,
  );
}

class Walk {
  size = 0;
  nesting = 0;
  hasCommitTs = false;
  readonly #limits: ValueLimits;

  constructor(limits: ValueLimits) {
    this.#limits = limits;
  }

  /** `depth` = arrays and objects around `json`. */
  value(json: JsonValue, depth: number): JsonValue {
    if (json === null || typeof json === "boolean") {
      this.size += 1;
      return json;
    }
    if (typeof json === "string") {
      if (!json.isWellFormed()) {
        throw invalid("InvalidString", "String contains an unpaired surrogate, which is not valid Unicode.");
      }
      this.size += 2 + utf8Length(json);
      return json;
    }
    if (typeof json === "number") {
      this.size += 9;
      // JSON has no infinity: a literal such as 1e999 overflowed while it was parsed.
      if (!Number.isFinite(json)) throw invalid("InvalidNumber", "Number out of range for a 64-bit float.");
      return json === 0 ? encodeFloat64(json) : json;
    }
    if (!isJsonObject(json)) return this.#array(json, depth + 1);
    const special = specialKey(json);
    return special === null ? this.#object(json, depth + 1) : this.#special(json, special);
  }

  #array(items: readonly JsonValue[], depth: number): JsonValue {
    this.#descend(depth);
    if (items.length > this.#limits.arrayLength) {
      throw badRequest(
        "ArrayTooLong",
        `Array length is too long (${items.length} > maximum length ${this.#limits.arrayLength})`,
      );
    }
    this.size += 2;
    let copy: JsonValue[] | null = null;
    for (const [i, item] of items.entries()) {
      const value = this.value(item, depth);
      if (value !== item) copy ??= items.slice();
      if (copy !== null) copy[i] = value;
    }
    return copy ?? items;
  }

  #object(object: JsonObject, depth: number): JsonValue {
    this.#descend(depth);
    const keys = Object.keys(object);
    if (keys.length > this.#limits.objectFields) throw tooManyFields(keys.length, this.#limits.objectFields);
    this.size += 2;
    let changed = false;
    let previous = "";
    const entries: [string, JsonValue][] = [];
    for (const key of keys) {
      checkFieldName(key, this.#limits.fieldNameLength);
      this.size += key.length + 1;
      const item = object[key] ?? null;
      const value = this.value(item, depth);
      changed ||= value !== item || key < previous;
      previous = key;
      entries.push([key, value]);
    }
    if (!changed) return object;
    // `fromEntries` defines properties, so that a field named `__proto__` stays a field.
    return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #special(object: JsonObject, key: SpecialKey): JsonValue {
    const content = object[key] ?? null;
    switch (key) {
      case "$integer":
        this.size += 9;
        checkEightBytes(object, key, content);
        return object;
      case "$float": {
        this.size += 9;
        const float = new DataView(checkEightBytes(object, key, content).buffer).getFloat64(0, true);
        if (typeof encodeFloat64(float) === "number") {
          throw invalid("InvalidValue", `Float ${float} should be encoded as a number`);
        }
        return object;
      }
      case "$bytes": {
        const length = typeof content === "string" ? base64Length(content) : -1;
        if (length < 0) throw malformed(object, key);
        this.size += 2 + length;
        return object;
      }
      case "$commitTs":
        if (content !== null) throw malformed(object, key);
        this.size += 9;
        this.hasCommitTs = true;
        return object;
      case "$set":
        throw invalid("InvalidValue", "Received a Set which is no longer supported as a Convex type.");
      case "$map":
        throw invalid("InvalidValue", "Received a Map which is no longer supported as a Convex type.");
      default:
        return unreachable(key);
    }
  }

  #descend(depth: number): void {
    if (depth > this.#limits.nesting) {
      throw badRequest(
        "TooNestedError",
        `Value is too nested (nested ${depth} levels deep > maximum nesting ${this.#limits.nesting})`,
      );
    }
    if (depth > this.nesting) this.nesting = depth;
  }
}

/** Length of the decoded bytes, -1 unless `text` is the one padded standard encoding of some bytes. */
function base64Length(text: string): number {
  if (text.length % 4 !== 0) return -1;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  if (/[^A-Za-z0-9+/]/.test(padding === 0 ? text : text.slice(0, digits))) return -1;
  // Bits of the last digit beyond the last byte must be zero.
  if (padding === 2 && !/[AQgw]==$/.test(text.slice(-3))) return -1;
  if (padding === 1 && !/[AEIMQUYcgkosw048]=$/.test(text.slice(-2))) return -1;
  return (text.length / 4) * 3 - padding;
}

function checkEightBytes(object: JsonObject, key: "$integer" | "$float", content: JsonValue): Uint8Array<ArrayBuffer> {
  const length = typeof content === "string" ? base64Length(content) : -1;
  if (typeof content !== "string" || length < 0) throw malformed(object, key);
  if (length !== 8) throw invalid("InvalidValue", `Received ${length} bytes, expected 8 for ${key}`);
  return Uint8Array.from(Base64.toByteArray(content));
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid("InvalidJson", error instanceof Error ? error.message : "Invalid JSON");
  }
}

function tooManyFields(count: number, maximum: number): CodedError {
  return badRequest("TooManyFieldsError", `Object has too many fields (${count} > maximum number ${maximum})`);
}

function malformed(object: JsonObject, key: SpecialKey): CodedError {
  const text = JSON.stringify(object);
  return invalid("InvalidValue", `Malformed ${key} field on ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`);
}

function invalid(code: string, message: string): CodedError {
  return badRequest(code, message);
}
