import { encodeDocumentId } from "../values/document-id.ts";
import { DOCUMENT_LIMITS } from "../values/limits.ts";
import { type LimitWarning, approaching } from "./limit-texts.ts";
import type { InternalId, TableNumber } from "./names.ts";

interface Largest {
  readonly table: TableNumber;
  readonly id: InternalId;
  readonly amount: number;
}

/** Remembers the largest and the most deeply nested document that a transaction wrote, to warn of them. */
export class LargestDocuments {
  #size: Largest | null = null;
  #nesting: Largest | null = null;

  add(table: TableNumber, id: InternalId, size: number, nesting: number): void {
    if (size > (this.#size?.amount ?? 0)) this.#size = { table, id, amount: size };
    if (nesting > (this.#nesting?.amount ?? 0)) this.#nesting = { table, id, amount: nesting };
  }

  warnings(): LimitWarning[] {
    return [
      ...warning("DocumentTooLarge", "Large document written", this.#size, DOCUMENT_LIMITS.size, " bytes"),
      ...warning("TooNested", "Deeply nested document written", this.#nesting, DOCUMENT_LIMITS.nesting, ""),
    ];
  }
}

function warning(code: string, what: string, largest: Largest | null, limit: number, unit: string): LimitWarning[] {
  if (largest === null) return [];
  const subject = `${what} with ID "${encodeDocumentId(largest.table, largest.id)}"`;
  const text = approaching(subject, largest.amount, limit, unit);
  return text === null ? [] : [{ code, message: `${text}.` }];
}
