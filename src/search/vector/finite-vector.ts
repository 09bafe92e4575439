import { isJsonObject, type JsonValue } from "../../shared/json.ts";

/** The value as a vector of that many float64, all finite; `null` when it is anything else, which is not indexed. */
export function finiteVector(value: JsonValue | undefined, dimensions: number): readonly number[] | null {
  if (!Array.isArray(value) || value.length !== dimensions) return null;
  const vector: number[] = [];
  for (const component of value) {
    // −0 is the one finite float64 that ConvexJSON does not write as a number.
    if (typeof component === "number") vector.push(component);
    else if (isNegativeZero(component)) vector.push(0);
    else return null;
  }
  return vector;
}

function isNegativeZero(value: JsonValue | undefined): boolean {
  return isJsonObject(value) && value["$float"] === "AAAAAAAAAIA=";
}
