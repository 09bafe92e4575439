import type { JsonValue } from "../shared/json.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { isPlainObject, valueKind } from "../values/special-value.ts";

/** What values look like, as far as they were looked at. */
export type Shape =
  /** No value was seen. */
  | { readonly type: "Never" }
  | { readonly type: "Null" | "Boolean" | "Float64" | "Int64" | "String" | "Bytes" }
  | { readonly type: "Id"; readonly tableName: string }
  | { readonly type: "Array"; readonly shape: Shape }
  | { readonly type: "Object"; readonly fields: readonly FieldShape[] }
  /** Objects with so many names that those are data. */
  | { readonly type: "Record"; readonly keyShape: Shape; readonly valueShape: Shape }
  | { readonly type: "Union"; readonly shapes: readonly Shape[] }
  /** Too many different ones to tell apart. */
  | { readonly type: "Unknown" };

export interface FieldShape {
  readonly fieldName: string;
  readonly optional: boolean;
  readonly shape: Shape;
}

type ArrayShape = Extract<Shape, { type: "Array" }>;
type ObjectShape = Extract<Shape, { type: "Object" }>;
type RecordShape = Extract<Shape, { type: "Record" }>;

const MAX_FIELDS = 64;
const MAX_MEMBERS = 16;

export const NEVER: Shape = { type: "Never" };
const STRING: Shape = { type: "String" };
const UNKNOWN: Shape = { type: "Unknown" };

/** Names the table of an id by its number. */
export type TableOfNumber = (tableNumber: number) => string | null;

/** Of one value in ConvexJSON. */
export function shapeOf(value: JsonValue, tables: TableOfNumber): Shape {
  const kind = valueKind(value);
  switch (kind) {
    case "null":
      return { type: "Null" };
    case "boolean":
      return { type: "Boolean" };
    case "float64":
      return { type: "Float64" };
    case "int64":
    case "commitTs":
      return { type: "Int64" };
    case "bytes":
      return { type: "Bytes" };
    case "string":
      return typeof value === "string" ? stringShape(value, tables) : STRING;
    case "array": {
      const elements = Array.isArray(value) ? value : [];
      return { type: "Array", shape: mergeAll(elements.map((element: JsonValue) => shapeOf(element, tables))) };
    }
    case "object": {
      const fields = Object.entries(isPlainObject(value) ? value : {});
      return objectShape(
        fields.map(([fieldName, field]) => ({ fieldName, optional: false, shape: shapeOf(field, tables) })),
      );
    }
    default:
      return kind satisfies never;
  }
}

/** Of values that have one shape or the other. */
export function merge(a: Shape, b: Shape): Shape {
  return mergeAll([a, b]);
}

function mergeAll(shapes: readonly Shape[]): Shape {
  const members = shapes.flatMap((shape) => (shape.type === "Union" ? shape.shapes : [shape]));
  if (members.some(({ type }) => type === "Unknown")) return UNKNOWN;
  const merged: Shape[] = [];
  const arrays = members.filter((shape): shape is ArrayShape => shape.type === "Array");
  if (arrays.length > 0) merged.push({ type: "Array", shape: mergeAll(arrays.map(({ shape }) => shape)) });
  const objects = mergeObjects(
    members.filter((shape): shape is ObjectShape => shape.type === "Object"),
    members.filter((shape): shape is RecordShape => shape.type === "Record"),
  );
  if (objects !== null) merged.push(objects);
  merged.push(...distinctScalars(members));
  const [only = NEVER] = merged;
  if (merged.length <= 1) return only;
  return merged.length > MAX_MEMBERS ? UNKNOWN : { type: "Union", shapes: merged };
}

/** Ids among other strings are strings. */
function distinctScalars(members: readonly Shape[]): Shape[] {
  const hasStrings = members.some(({ type }) => type === "String");
  const distinct = new Map<string, Shape>();
  for (const shape of members) {
    if (shape.type === "Array" || shape.type === "Object" || shape.type === "Record" || shape.type === "Never")
      continue;
    if (shape.type === "Id" && hasStrings) continue;
    distinct.set(shape.type === "Id" ? `Id ${shape.tableName}` : shape.type, shape);
  }
  return [...distinct.keys()].toSorted().flatMap((key) => distinct.get(key) ?? []);
}

function mergeObjects(objects: readonly ObjectShape[], records: readonly RecordShape[]): Shape | null {
  if (records.length > 0) {
    const values = objects.flatMap(({ fields }) => fields.map(({ shape }) => shape));
    return record(mergeAll([...records.map(({ valueShape }) => valueShape), ...values]));
  }
  if (objects.length === 0) return null;
  const found = new Map<string, FieldShape[]>();
  for (const { fields } of objects) {
    for (const field of fields) found.set(field.fieldName, [...(found.get(field.fieldName) ?? []), field]);
  }
  return objectShape(
    [...found].map(([fieldName, seen]) => ({
      fieldName,
      optional: seen.length < objects.length || seen.some(({ optional }) => optional),
      shape: mergeAll(seen.map(({ shape }) => shape)),
    })),
  );
}

function objectShape(fields: readonly FieldShape[]): Shape {
  if (fields.length > MAX_FIELDS) return record(mergeAll(fields.map(({ shape }) => shape)));
  return { type: "Object", fields: fields.toSorted((a, b) => (a.fieldName < b.fieldName ? -1 : 1)) };
}

function record(valueShape: Shape): Shape {
  return { type: "Record", keyShape: STRING, valueShape };
}

function stringShape(text: string, tables: TableOfNumber): Shape {
  const id = tryDecodeDocumentId(text);
  const tableName = id === null ? null : tables(id.tableNumber);
  return tableName === null ? STRING : { type: "Id", tableName };
}
