import { unreachable } from "../shared/assert.ts";
import { badRequest } from "../shared/coded-error.ts";
import { type JsonValue, isJsonObject } from "../shared/json.ts";
import { decodeFloat64, decodeInt64, payload, specialKey } from "./special-value.ts";

/** How a result is written (`wire.md` §1.1). Input is always read as encoded JSON. */
export type ValueFormat = "convex_encoded_json" | "json" | "export_json";

const FORMATS: Readonly<Record<string, ValueFormat>> = {
  convex_encoded_json: "convex_encoded_json",
  convex_json: "convex_encoded_json",
  json: "json",
  convex_clean_json: "json",
  export_json: "export_json",
};

/** Throws E-B-14. */
export function parseValueFormat(text: string): ValueFormat {
  const format = Object.hasOwn(FORMATS, text) ? FORMATS[text] : undefined;
  if (format === undefined) throw badRequest("BadFormat", `format param must be one of [\`json\`]. Got ${text}`);
  return format;
}

/** JSON text of a canonical value. Text, because −0 and large integers are lost in JavaScript's own JSON numbers. */
export function formatValue(value: JsonValue, format: ValueFormat): string {
  switch (format) {
    case "convex_encoded_json":
      return JSON.stringify(value);
    case "json":
      return write(value, cleanSpecial);
    case "export_json":
      return write(value, exportSpecial);
    default:
      return unreachable(format);
  }
}

type SpecialWriter = (value: JsonValue, key: "$integer" | "$float" | "$bytes") => string;

function write(value: JsonValue, special: SpecialWriter): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (!isJsonObject(value)) return `[${value.map((item) => write(item, special)).join(",")}]`;
  const key = specialKey(value);
  if (key === "$integer" || key === "$float" || key === "$bytes") return special(value, key);
  if (key === "$commitTs") throw new Error("A commit timestamp is resolved before its value leaves the backend");
  const fields = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${write(item, special)}`);
  return `{${fields.join(",")}}`;
}

function cleanSpecial(value: JsonValue, key: "$integer" | "$float" | "$bytes"): string {
  switch (key) {
    case "$integer":
      return `"${decodeInt64(value)}"`;
    case "$float": {
      const float = decodeFloat64(value);
      return Object.is(float, -0) ? "-0.0" : `"${float}"`;
    }
    case "$bytes":
      return `"${payload(value, "$bytes")}"`;
    default:
      return unreachable(key);
  }
}

function exportSpecial(value: JsonValue, key: "$integer" | "$float" | "$bytes"): string {
  return key === "$integer" ? decodeInt64(value).toString() : JSON.stringify(value);
}
