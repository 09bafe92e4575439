import { formatValue, parseValueFormat, type ValueFormat } from "../values/clean-json.ts";
import { expectsEncodedJson, type ClientVersion } from "./client-version.ts";

/**
 * How values are written in the response; arguments are always read as encoded JSON. Called before anything runs: a
 * mutation with an unknown format must not commit and then answer 400.
 */
export function responseFormat(format: string | null | undefined, otherwise: ValueFormat): ValueFormat {
  return format === undefined || format === null ? otherwise : parseValueFormat(format);
}

export function defaultFormat(client: ClientVersion | null): ValueFormat {
  return expectsEncodedJson(client) ? "convex_encoded_json" : "json";
}

/** A canonical ConvexJSON text in another format. */
export function formatText(value: string, format: ValueFormat): string {
  // Without a special value all formats are the same text.
  if (format === "convex_encoded_json" || !value.includes(`"$`)) return value;
  return formatValue(JSON.parse(value), format);
}
