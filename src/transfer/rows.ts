import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { csvRecords } from "./csv.ts";
import type { ImportFormat } from "./import-document.ts";
import { importError } from "./import-error.ts";
import { jsonElements } from "./json-array.ts";
import { lines } from "./lines.ts";

/** The documents of a table as the file has them, in ConvexJSON that is not checked yet. */
export function rows(
  format: Exclude<ImportFormat, "zip">,
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<JsonObject> {
  switch (format) {
    case "jsonLines":
      return jsonLines(chunks);
    case "jsonArray":
      return jsonArray(chunks);
    case "csv":
      return csvRows(chunks);
    default:
      return format satisfies never;
  }
}

async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<JsonObject> {
  let number = 0;
  for await (const line of lines(chunks)) {
    number++;
    if (line.trim() !== "") yield object(line, `line ${number}`);
  }
}

async function* jsonArray(chunks: AsyncIterable<Uint8Array>): AsyncIterable<JsonObject> {
  let number = 0;
  for await (const element of jsonElements(chunks)) yield object(element, `element ${number++}`);
}

/** As much of a text as a message shows. */
const SHOWN = 100;

function object(text: string, where: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw importError(`${where} is not valid JSON: ${error instanceof Error ? error.message : "invalid"}`);
  }
  if (!isJsonObject(value)) throw importError(`${where} is not a JSON object: ${text.slice(0, SHOWN)}`);
  return value;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Each value is a number if it reads as one, else a string. */
async function* csvRows(chunks: AsyncIterable<Uint8Array>): AsyncIterable<JsonObject> {
  let header: readonly string[] | null = null;
  for await (const { fields, line } of csvRecords(chunks)) {
    if (header === null) {
      const twice = fields.find((name, at) => fields.indexOf(name) !== at);
      if (twice !== undefined) throw importError(`The header of the CSV file has the field "${twice}" twice.`);
      header = fields;
      continue;
    }
    if (fields.length !== header.length) {
      throw importError(`line ${line} has ${fields.length} fields, but the header has ${header.length}.`);
    }
    yield Object.fromEntries(header.map((name, at) => [name, csvValue(fields[at] ?? "")]));
  }
  if (header === null) throw importError("A CSV file must have a header line.");
}

function csvValue(text: string): JsonValue {
  return NUMBER.test(text) ? Number(text) : text;
}
