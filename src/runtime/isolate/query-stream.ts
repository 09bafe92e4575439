import { isJsonObject, type JsonValue } from "../../shared/json.ts";

/** Of a query that doesn't say how many rows it wants. */
const FIRST_PAGE = 16;
const LARGEST_PAGE = 512;
const GROWTH = 4;

/** What one `next()` is answered with; `undefined` when the next page has to be asked for. */
export type StreamItem = { readonly value: JsonValue; readonly done: boolean } | undefined;

/**
 * The rows of one query that were fetched ahead of user code. A query with a limit (`take`, `first`, `unique`) asks
 * for all of it at once; pages of others grow 16 → 64 → 256 → 512. A write makes what was
 * not yet taken stale: the rows are dropped, and the next request tells the host how many of them were taken, so that
 * it continues behind the last of these (`STREAM_PAGE`). A loop that writes between its reads falls back to pages of
 * as many rows as it took from the last one, so that it does not read its table over and over.
 */
export class QueryStream {
  readonly queryId: number;
  #query: JsonValue | undefined;
  #rows: readonly JsonValue[] = [];
  /** Rows of the last page that user code has. */
  #taken = 0;
  #exhausted = false;
  #pageSize: number;
  #asked = false;
  #interrupted = false;
  #ended = false;

  constructor(queryId: number, query: JsonValue) {
    this.queryId = queryId;
    this.#query = query;
    this.#pageSize = Math.min(smallestLimit(query) ?? FIRST_PAGE, LARGEST_PAGE);
  }

  take(): StreamItem {
    const row = this.#rows[this.#taken];
    if (row !== undefined) {
      this.#taken++;
      return { value: row, done: false };
    }
    if (!this.#exhausted) return undefined;
    this.#ended = true;
    return { value: null, done: true };
  }

  /** Arguments of the request for the next page. `waiting` = callers that want a row of it. */
  nextPage(waiting: number): string {
    if (this.#interrupted) this.#pageSize = Math.max(this.#taken, 1);
    else if (this.#asked) this.#pageSize = Math.min(this.#pageSize * GROWTH, LARGEST_PAGE);
    this.#interrupted = false;
    this.#asked = true;
    const limit = Math.max(this.#pageSize, waiting);
    const query = this.#query;
    return JSON.stringify({
      queryId: this.queryId,
      ...(query === undefined ? {} : { query }),
      consumed: this.#taken,
      limit,
    });
  }

  pageArrived(rows: readonly JsonValue[], done: boolean): void {
    this.#query = undefined;
    this.#rows = rows;
    this.#taken = 0;
    this.#exhausted = done;
  }

  dropUntaken(): void {
    this.#rows = this.#rows.slice(0, this.#taken);
    this.#exhausted = false;
    this.#interrupted = this.#asked;
  }

  /** `done` was handed out: another `next()` is a mistake. */
  get ended(): boolean {
    return this.#ended;
  }

  get taken(): number {
    return this.#taken;
  }

  /** The host holds a position, or counts rows that user code never saw. */
  get needsCleanup(): boolean {
    return this.#asked && !(this.#exhausted && this.#taken === this.#rows.length);
  }
}

/** Of the `limit` operators, `null` when there is none. The host checks the query; here only its size matters. */
function smallestLimit(query: JsonValue): number | null {
  const operators = isJsonObject(query) ? query["operators"] : undefined;
  if (!Array.isArray(operators)) return null;
  let smallest: number | null = null;
  for (const operator of operators) {
    const limit = isJsonObject(operator) ? operator["limit"] : undefined;
    if (typeof limit === "number" && limit > 0 && (smallest === null || limit < smallest)) smallest = limit;
  }
  return smallest;
}
