import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";
import { decodeFloat64, decodeInt64, payload, specialKey } from "./special-value.ts";

/** A value as it stands in error texts (`abi.md` §1.5): `{a: 1.0, b: [null, "x"]}`. Takes canonical ConvexJSON. */
export function displayValue(value: JsonValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return displayFloat64(value);
  if (typeof value === "string") return displayString(value);
  if (!isJsonObject(value)) return displayValues(value);
  switch (specialKey(value)) {
    case "$integer":
      return decodeInt64(value).toString();
    case "$float":
      return displayFloat64(decodeFloat64(value));
    case "$bytes":
      return `b"${payload(value, "$bytes")}"`;
    case "$commitTs":
      return "[unresolved commit timestamp]";
    default: {
      const fields = sortedEntries(value).map(([name, item]) => `${name}: ${displayValue(item)}`);
      return `{${fields.join(", ")}}`;
    }
  }
}

export function displayValues(values: readonly JsonValue[]): string {
  return `[${values.map(displayValue).join(", ")}]`;
}

/** Rust's debug form: always a point or an exponent, exponents from 1e16 and below 1e-4. */
export function displayFloat64(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) return value.toExponential().replace("e+", "e");
  // JavaScript switches to exponents below 1e-6 and from 1e21 only, so what is left here is plain.
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** Entries in the order of their names' bytes, which JavaScript objects keep except for names like array indexes. */
export function sortedEntries(object: JsonObject): [string, JsonValue][] {
  return Object.entries(object).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

/** Double-quoted, with whatever can't be printed as `\u{hex}`. */
export function displayString(text: string): string {
  const escaped = text.replace(
    /["\\]|(?! )[\p{C}\p{Z}\p{Grapheme_Extend}]/gu,
    (character) => ESCAPES[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return `"${escaped}"`;
}
