import { badRequest } from "../shared/coded-error.ts";
import { BY_ID } from "./index-definition.ts";
import type { ComponentPath } from "./names.ts";
import {
  type Page,
  type PaginationOptions,
  checkPaginationOptions,
  multiplePaginations,
  paginationInComponent,
  readPage,
} from "./pagination.ts";
import type { QueryDefinition } from "./query/definition.ts";
import type { QueryRun } from "./query/query-run.ts";
import { QueryStream, type StreamPage } from "./query/query-stream.ts";
import type { ScanSource } from "./query/source.ts";
import type { Transaction } from "./transaction.ts";

interface OpenStream {
  readonly stream: QueryStream;
  readonly run: QueryRun | null;
}

/**
 * The database as one function execution sees it: its component's tables, its open queries, its one paginated query.
 * A nested call gets a scope of its own over the same transaction.
 */
export class FunctionScope {
  readonly transaction: Transaction;
  readonly component: ComponentPath;
  readonly #journal: string | null;
  readonly #streams = new Map<number, OpenStream>();
  #nextJournal: string | null = null;
  #paginated = false;

  /** `journal`: what the previous run of the same subscribed query left behind. */
  constructor(transaction: Transaction, component: ComponentPath, journal: string | null = null) {
    this.transaction = transaction;
    this.component = component;
    this.#journal = journal;
  }

  /** `queryId` is the caller's choice, unique among the open ones of the scope. Reads nothing of the range yet. */
  async openQuery(queryId: number, query: QueryDefinition): Promise<void> {
    if (this.#streams.has(queryId)) throw badRequest("QueryIdInUse", `Query ${queryId} is open already`);
    const { scan } = await this.transaction.resolve(this.component, query.source);
    const run = scan === null ? null : this.transaction.start(scan, query.operators);
    this.#streams.set(queryId, { run, stream: new QueryStream(run) });
  }

  /** `consumed`: how many rows of the previous page were used. At most `limit` rows. */
  async nextPage(queryId: number, consumed: number, limit: number): Promise<StreamPage> {
    const open = this.#streams.get(queryId);
    if (open === undefined) throw badRequest("QueryNotFound", "in-progress query not found");
    return await open.stream.nextPage(consumed, limit);
  }

  /** False when it was not open. `consumed` as in `nextPage`; without it, all rows count as used. */
  closeQuery(queryId: number, consumed?: number): boolean {
    const open = this.#streams.get(queryId);
    if (open === undefined) return false;
    this.#streams.delete(queryId);
    if (consumed !== undefined) open.stream.close(consumed);
    if (open.run !== null) this.transaction.finish(open.run);
    return true;
  }

  async queryPage(query: QueryDefinition, options: PaginationOptions): Promise<Page> {
    const { transaction } = this;
    if (this.component !== "" && transaction.kind === "query") throw paginationInComponent();
    checkPaginationOptions(options);
    if (this.#paginated) throw multiplePaginations();
    this.#paginated = true;
    const resolved = await transaction.resolve(this.component, query.source);
    const runs: QueryRun[] = [];
    const start = (source: ScanSource): QueryRun => {
      const run = transaction.start(source, query.operators);
      runs.push(run);
      return run;
    };
    try {
      const page = await readPage(query, resolved, options, {
        codec: transaction.cursors,
        journalEnd: this.#journal,
        limits: transaction.limits,
        start,
      });
      this.#nextJournal = page.continueCursor;
      return page;
    } finally {
      for (const run of runs) transaction.finish(run);
    }
  }

  /** Documents in a table. Scans all of them. */
  async count(table: string): Promise<number> {
    const source = { type: "IndexRange", table, index: BY_ID, range: [], order: "asc" } as const;
    const { scan } = await this.transaction.resolve(this.component, source);
    if (scan === null) return 0;
    const run = this.transaction.start(scan, []);
    try {
      let count = 0;
      for (;;) {
        const step = run.step(true);
        if (step.kind === "fetch") await run.fetch(Number.POSITIVE_INFINITY);
        else if (step.kind === "row") count++;
        else return count;
      }
    } finally {
      this.transaction.finish(run);
    }
  }

  /** For the next run of the same subscribed query: keeps its page boundaries. `null` when it did not paginate. */
  journal(): string | null {
    return this.#nextJournal;
  }
}
