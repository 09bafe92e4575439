import type { ByteRange } from "../engine/file-store.ts";

export type RequestedRange =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly range: ByteRange }
  | { readonly kind: "unsatisfiable" };

const WHOLE = { kind: "whole" } as const;
const UNSATISFIABLE = { kind: "unsatisfiable" } as const;

/** One range of RFC 9110 §14.1.2. What can't be parsed asks for everything; several ranges are not served. */
export function requestedRange(header: string | null, size: number): RequestedRange {
  const [, set] = /^\s*bytes\s*=(.*)$/i.exec(header ?? "") ?? [];
  if (set === undefined || size === 0) return WHOLE;
  if (set.includes(",")) return UNSATISFIABLE;
  const [, first, last] = /^\s*(\d*)\s*-\s*(\d*)\s*$/.exec(set) ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return WHOLE;
  if (first === "") return suffix(Number(last), size);
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < offset) return WHOLE;
  if (offset >= size) return UNSATISFIABLE;
  return { kind: "part", range: { offset, length: end - offset + 1 } };
}

function suffix(length: number, size: number): RequestedRange {
  if (length === 0) return UNSATISFIABLE;
  const taken = Math.min(length, size);
  return { kind: "part", range: { offset: size - taken, length: taken } };
}
