import type { Tree } from "./syntax-tree.ts";
import { isTree } from "./syntax-tree.ts";

/** `\0asm` and version 1, as base64 begins it. */
const BASE64 = /^(?:data:application\/(?:wasm|octet-stream);base64,)?(AGFzbQEAAA[A-Za-z0-9+/\s]+=*)\s*$/;
const MAGIC = [0, 0x61, 0x73, 0x6d];

/** The WebAssembly that an expression spells out, in base64; `undefined` where it does not. */
export function wasmLiteral(node: Tree): string | undefined {
  switch (node.type) {
    case "Literal":
      return typeof node["value"] === "string" ? fromText(node["value"]) : undefined;
    case "TemplateElement": {
      const { value } = node;
      const cooked = typeof value === "object" && value !== null && "cooked" in value ? value.cooked : undefined;
      return typeof cooked === "string" ? fromText(cooked) : undefined;
    }
    case "ArrayExpression":
      return fromBytes(node["elements"]);
    default:
      return undefined;
  }
}

function fromText(text: string): string | undefined {
  return text.startsWith("AGFz") || text.startsWith("data:") ? BASE64.exec(text)?.[1]?.replace(/\s+/g, "") : undefined;
}

function fromBytes(elements: unknown): string | undefined {
  if (!Array.isArray(elements) || !MAGIC.every((byte, at) => numberOf(elements[at]) === byte)) return undefined;
  const bytes = elements.map(numberOf);
  if (!bytes.every((byte) => byte !== undefined)) return undefined;
  return btoa(bytes.map((byte) => String.fromCharCode(byte & 0xff)).join(""));
}

function numberOf(element: unknown): number | undefined {
  const value = isTree(element) && element.type === "Literal" ? element["value"] : undefined;
  return typeof value === "number" ? value : undefined;
}
