import { badRequest } from "../../shared/coded-error.ts";
import { HANDED_BYTES, type Mark, type QueryRun } from "./query-run.ts";

export interface StreamPage {
  /** ConvexJSON texts of documents. */
  readonly rows: readonly string[];
  readonly done: boolean;
}

/**
 * A query whose rows are handed out ahead of their use. Each request says how many rows of the page before were
 * used; the others are given back, reads and all, and read again: so user code sees at each step what it would see
 * had it fetched that row alone.
 */
export class QueryStream {
  readonly #run: QueryRun | null;
  /** State after each row of the last page, with the state before the page in front. */
  #marks: Mark[];

  /** `run: null` is a query of a table that does not exist. */
  constructor(run: QueryRun | null) {
    this.#run = run;
    this.#marks = run === null ? [] : [run.mark()];
  }

  async nextPage(consumed: number, limit: number): Promise<StreamPage> {
    const run = this.#run;
    if (run === null) return { rows: [], done: true };
    this.#rewind(consumed);
    const rows: string[] = [];
    let bytes = 0;
    while (rows.length < limit && bytes < HANDED_BYTES) {
      const step = run.step(rows.length === 0);
      switch (step.kind) {
        case "end":
          return { rows, done: true };
        case "limit":
          return { rows, done: false };
        case "fetch":
          await run.fetch(limit - rows.length);
          break;
        case "row":
          if (!step.admitted) break;
          rows.push(step.row.json);
          bytes += step.row.size;
          this.#marks.push(run.mark());
      }
    }
    // The last row a `limit` operator lets through ends the query: saying so now saves a request.
    return { rows, done: run.isComplete };
  }

  /** Ends the stream. If all rows were used, so was the news that there are no more. */
  close(consumed: number): void {
    if (consumed < this.#marks.length - 1) this.#rewind(consumed);
  }

  /** Gives back what was handed out beyond the first `consumed` rows of the last page. */
  #rewind(consumed: number): void {
    const mark = this.#marks[consumed];
    if (this.#run === null) return;
    if (mark === undefined) {
      throw badRequest("InvalidArgument", `Invalid argument \`consumed\` for \`queryStreamNext\`: ${consumed}`);
    }
    this.#run.rewind(mark);
    this.#marks = [mark];
  }
}
