import { badRequest } from "../../shared/coded-error.ts";
import { isJsonObject, type JsonValue } from "../../shared/json.ts";
import { compareConvexJson } from "../../values/compare.ts";
import { checkOptionalConvexJson } from "../../values/convex-json.ts";
import { parseFieldPath } from "../../values/identifier.ts";
import { fieldAt } from "../index-key.ts";
import { ARITHMETIC, negate } from "./arithmetic.ts";
import { display, typeName } from "./operand.ts";

/** Value of an expression for one document. `undefined` is a missing field. */
export type Expression = (document: JsonValue) => JsonValue | undefined;

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  $eq: (order) => order === 0,
  $neq: (order) => order !== 0,
  $lt: (order) => order < 0,
  $lte: (order) => order <= 0,
  $gt: (order) => order > 0,
  $gte: (order) => order >= 0,
};

/** Expression JSON of `abi.md` §2.5.1 as a function. What is wrong with its form is found here, the rest per row. */
export function compileExpression(json: JsonValue): Expression {
  const entries = isJsonObject(json) ? Object.entries(json) : [];
  const [name, operand] = entries[0] ?? ["", null];
  if (entries.length !== 1) throw malformed("expression must be an object with one operator");
  switch (name) {
    case "$literal": {
      const value = checkOptionalConvexJson(operand)?.value;
      return () => value;
    }
    case "$field": {
      if (typeof operand !== "string") throw malformed("$field must be a string");
      const path = parseFieldPath(operand);
      return (document) => fieldAt(document, path);
    }
    case "$and":
      return conjunction(operands(name, operand), false);
    case "$or":
      return conjunction(operands(name, operand), true);
    case "$not": {
      const inner = compileExpression(operand);
      return (document) => !asBoolean(inner(document));
    }
    case "$neg": {
      const inner = compileExpression(operand);
      return (document) => negate(inner(document));
    }
    default:
      return compileBinary(name, operand);
  }
}

/** The value as the verdict of a filter. Nothing but a boolean will do. */
export function asBoolean(value: JsonValue | undefined): boolean {
  if (typeof value === "boolean") return value;
  throw badRequest("InvalidExpression", `Cannot use value ${display(value)} (type ${typeName(value)}) as a Boolean`);
}

function compileBinary(name: string, operand: JsonValue): Expression {
  const comparison = Object.hasOwn(COMPARISONS, name) ? COMPARISONS[name] : undefined;
  const arithmetic = Object.hasOwn(ARITHMETIC, name) ? ARITHMETIC[name] : undefined;
  if (comparison === undefined && arithmetic === undefined) throw malformed(`unknown operator ${name}`);
  const [left, right, ...rest] = operands(name, operand);
  if (left === undefined || right === undefined || rest.length > 0) throw malformed(`${name} takes 2 operands`);
  if (arithmetic !== undefined) return (document) => arithmetic(left(document), right(document));
  return (document) => comparison?.(compareConvexJson(left(document), right(document)));
}

/** `$and` and `$or`: `decisive` is the operand that ends the evaluation. */
function conjunction(parts: readonly Expression[], decisive: boolean): Expression {
  return (document) => {
    for (const part of parts) if (asBoolean(part(document)) === decisive) return decisive;
    return !decisive;
  };
}

function operands(name: string, json: JsonValue): readonly Expression[] {
  if (!Array.isArray(json)) throw malformed(`${name} takes a list of operands`);
  return json.map((operand: JsonValue) => compileExpression(operand));
}

function malformed(reason: string): Error {
  return badRequest("InvalidExpression", reason);
}
