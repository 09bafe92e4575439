import { z } from "zod";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import type { Shape } from "./shape.ts";

const SCHEMA = "http://json-schema.org/draft-07/schema#";

/** What streaming export adds to documents. */
const DELTA_FIELDS: JsonObject = {
  _ts: { type: "integer", description: "When this version was written, in nanoseconds" },
  _deleted: { type: "boolean" },
  _table: { type: "string" },
  _component: { type: "string" },
};

/** JSON of a table's name and the shape of its documents. */
export function parseShapes(json: string): ReadonlyMap<string, Shape> {
  // Made by `tableShapes` of the same version.
  const shapes: unknown = JSON.parse(json);
  return new Map(Object.entries(z.record(z.string(), z.custom<Shape>()).parse(shapes)));
}

/** How documents of a shape are written in the format `json`. `deltas`: with the fields of streaming export. */
export function documentSchema(shape: Shape, deltas: boolean): JsonObject {
  const { properties = {}, required = [] } = schemaOf(shape.type === "Object" ? shape : { type: "Object", fields: [] });
  return {
    $schema: SCHEMA,
    type: "object",
    properties: { ...(properties as JsonObject), ...(deltas ? DELTA_FIELDS : {}) },
    required,
    additionalProperties: shape.type !== "Object",
  };
}

function schemaOf(shape: Shape): JsonObject {
  switch (shape.type) {
    case "Never":
    case "Unknown":
      return {};
    case "Null":
      return { type: "null" };
    case "Boolean":
      return { type: "boolean" };
    case "Float64":
      // Infinities and NaN have names.
      return { type: ["number", "string"] };
    case "Int64":
      return { type: "string", description: "Int64, in decimal" };
    case "String":
      return { type: "string" };
    case "Bytes":
      return { type: "string", description: "Bytes, in base64" };
    case "Id":
      return { type: "string", description: `Id(${shape.tableName})` };
    case "Array":
      return { type: "array", items: schemaOf(shape.shape) };
    case "Object": {
      const { fields } = shape;
      return {
        type: "object",
        properties: Object.fromEntries(fields.map(({ fieldName, shape: field }) => [fieldName, schemaOf(field)])),
        required: fields.filter(({ optional }) => !optional).map(({ fieldName }): JsonValue => fieldName),
        additionalProperties: false,
      };
    }
    case "Record":
      return { type: "object", additionalProperties: schemaOf(shape.valueShape) };
    case "Union":
      return { anyOf: shape.shapes.map(schemaOf) };
    default:
      return shape satisfies never;
  }
}
