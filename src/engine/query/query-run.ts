import type { IndexKey } from "../names.ts";
import type { ReadSetRecorder } from "../read-set.ts";
import type { QueryOperator } from "./definition.ts";
import { makeOperator } from "./make-operator.ts";
import type { Operator } from "./operator.ts";
import { Row } from "./row.ts";
import type { QueryContext } from "./query-context.ts";
import { RangeScan, type Scan } from "./scan.ts";
import { SearchScan } from "./search-scan.ts";
import type { ScanSource } from "./source.ts";

/** Where a run stands: going back to a mark undoes the reads since, charges included. */
export interface Mark {
  readonly position: IndexKey | null;
  readonly documents: number;
  readonly bytes: number;
  /** `remaining` of each operator. */
  readonly remaining: readonly number[];
}

export type Step =
  | { readonly kind: "row"; readonly row: Row; readonly admitted: boolean }
  /** Storage has to be asked before the next step. */
  | { readonly kind: "fetch" }
  /** The next row would exceed a limit of the transaction. */
  | { readonly kind: "limit" }
  | { readonly kind: "end"; readonly exhausted: boolean };

const FIRST_PAGE = 16;
const LARGEST_PAGE = 512;
const PAGE_BYTES = 4 * 1024 * 1024;

/** One query being executed: a scan, its operators, and the account of what has been read. */
export class QueryRun {
  readonly #context: QueryContext;
  readonly #source: ScanSource;
  readonly #scan: Scan;
  readonly #operators: readonly Operator[];
  readonly #dropsRows: boolean;
  #pageSize = FIRST_PAGE;
  /** The query itself counts when it first reads. */
  #charged = false;
  #documents = 0;
  #bytes = 0;

  constructor(context: QueryContext, source: ScanSource, operators: readonly QueryOperator[]) {
    this.#context = context;
    this.#source = source;
    this.#scan =
      source.kind === "search"
        ? new SearchScan(context, source)
        : new RangeScan(context.reader, context.pending, source);
    this.#operators = operators.map(makeOperator);
    this.#dropsRows = source.recheck !== null || operators.some(({ type }) => type === "filter");
  }

  get source(): ScanSource {
    return this.#source;
  }

  /** Adds what the run has depended on so far. */
  addTo(reads: ReadSetRecorder): void {
    this.#scan.addTo(reads);
  }

  /** Rows and bytes scanned so far, dropped rows included. */
  get scanned(): { readonly documents: number; readonly bytes: number } {
    return { documents: this.#documents, bytes: this.#bytes };
  }

  /** True when an operator lets nothing more pass. */
  get isComplete(): boolean {
    return this.#operators.some(({ remaining }) => remaining === 0);
  }

  /** Scans one row. `mustRead`: exceeding a limit throws its error instead of ending the page. */
  step(mustRead: boolean): Step {
    if (this.isComplete) return { kind: "end", exhausted: false };
    if (!this.#charged) this.#context.usage.chargeQuery();
    this.#charged = true;
    const before = this.#scan.position;
    const scanned = this.#scan.step();
    if (scanned === null) return { kind: "end", exhausted: true };
    if (scanned === "fetch") return { kind: "fetch" };
    const row = new Row(scanned);
    if (!mustRead && !this.#context.usage.canRead(row.size)) {
      this.#scan.seek(before);
      return { kind: "limit" };
    }
    this.#documents++;
    this.#bytes += row.size;
    this.#context.usage.chargeRead(row.size);
    return { kind: "row", row, admitted: this.#admits(row) };
  }

  /** Gets stored rows, about as many as are needed to give `wanted` rows more. */
  async fetch(wanted: number): Promise<void> {
    await this.#scan.fetch(this.#fetchSize(wanted));
  }

  mark(): Mark {
    return {
      position: this.#scan.position,
      documents: this.#documents,
      bytes: this.#bytes,
      remaining: this.#operators.map(({ remaining }) => remaining),
    };
  }

  /** Goes back to a mark and forgets what lies before it. */
  rewind(mark: Mark): void {
    this.#context.usage.refundReads(this.#documents - mark.documents, this.#bytes - mark.bytes);
    this.#documents = mark.documents;
    this.#bytes = mark.bytes;
    for (const [i, operator] of this.#operators.entries()) operator.rewind(mark.remaining[i] ?? operator.remaining);
    this.#scan.seek(mark.position);
    this.#scan.drop();
  }

  #admits(row: Row): boolean {
    if (this.#source.recheck !== null && !this.#source.recheck(row.value)) return false;
    return this.#operators.every((operator) => operator.admit(row));
  }

  #fetchSize(wanted: number): number {
    let size = Math.min(wanted, LARGEST_PAGE);
    if (this.#dropsRows) {
      size = this.#pageSize;
      this.#pageSize = Math.min(this.#pageSize * 2, LARGEST_PAGE);
    } else {
      for (const { remaining } of this.#operators) size = Math.min(size, remaining);
    }
    if (this.#documents > 0) size = Math.min(size, Math.floor((PAGE_BYTES * this.#documents) / this.#bytes));
    return Math.max(1, size);
  }
}

/** Bytes of rows after which a page is handed on, although more were asked for. */
export const HANDED_BYTES = PAGE_BYTES;
