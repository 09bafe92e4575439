import type { Node } from "acorn";

/** A node of ESTree as far as it is looked at. */
export type Tree = Node & Record<string, unknown>;

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

export function tree(value: unknown): Tree {
  if (!isTree(value)) throw new Error("a node has a type");
  return value;
}

export function trees(value: unknown): Tree[] {
  return Array.isArray(value) ? value.filter(isTree) : [];
}

/** Of an identifier or a string literal. */
export function nameOf(node: unknown): string {
  const named = tree(node);
  return String(named.type === "Literal" ? named["value"] : named["name"]);
}
