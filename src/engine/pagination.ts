import { type CodedError, badRequest } from "../shared/coded-error.ts";
import { type CursorCodec, type CursorPosition, openCursor } from "./cursor.ts";
import type { Interval } from "./interval.ts";
import { afterKey } from "./index-key.ts";
import type { Metric } from "./limits.ts";
import type { IndexKey } from "./names.ts";
import type { QueryDefinition } from "./query/definition.ts";
import type { QueryRun } from "./query/query-run.ts";
import type { ResolvedSource, ScanSource } from "./query/source.ts";

export interface PaginationOptions {
  readonly cursor: string | null;
  readonly endCursor: string | null;
  readonly pageSize: number;
  readonly maximumRowsRead: number | null;
  readonly maximumBytesRead: number | null;
}

export interface Page {
  /** ConvexJSON texts of documents. */
  readonly page: readonly string[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor: string | null;
  readonly pageStatus: "SplitRecommended" | "SplitRequired" | null;
}

export interface PaginationPorts {
  readonly codec: CursorCodec;
  /** End cursor of the same query's previous run, which keeps page boundaries where they were. */
  readonly journalEnd: string | null;
  /** Most that may be scanned when the developer sets no cap. */
  readonly limits: Readonly<Record<Extract<Metric, "documentsRead" | "bytesRead">, number>>;
  readonly start: (source: ScanSource) => QueryRun;
}

const MAX_PAGE_SIZE = 32_000;
/** Documents in a page from which on clients are advised to split it. */
const LARGE_PAGE = 6144;
/** Share of the caps from which on they are. */
const SPLIT_SHARE = 3 / 4;

export function checkPaginationOptions({ pageSize, maximumRowsRead, maximumBytesRead }: PaginationOptions): void {
  if (pageSize < 1) throw badRequest("NonPositivePageSize", "Must request at least 1 document while paginating");
  if (pageSize > MAX_PAGE_SIZE) throw badRequest("PageSizeTooLarge", `Requested too many items: ${pageSize}`);
  if ((maximumRowsRead ?? 1) <= 0 || (maximumBytesRead ?? 1) <= 0) {
    throw badRequest("NonPositiveMaximum", "maximumRowsRead and maximumBytesRead must be greater than 0");
  }
}

/** One page (`abi.md` §2.6). `options` have passed `checkPaginationOptions`. */
export async function readPage(
  query: QueryDefinition,
  { scan: source, fields }: ResolvedSource,
  options: PaginationOptions,
  ports: PaginationPorts,
): Promise<Page> {
  const fingerprint = JSON.stringify([query.text, fields]);
  const { codec } = ports;
  const start = options.cursor === null ? null : await openCursor(codec, options.cursor, fingerprint);
  const end =
    options.endCursor === null
      ? await journalPosition(codec, ports.journalEnd, fingerprint)
      : await openCursor(codec, options.endCursor, fingerprint);
  if (start?.kind === "end" || source === null) {
    const reached: CursorPosition = start?.kind === "end" ? start : (end ?? { kind: "end" });
    return emptyPage(reached, await codec.encode(reached, fingerprint));
  }

  const run = ports.start({ ...source, interval: between(source, start, end) });
  const scan = await scanPage(run, options, end !== null);
  const reached = end ?? scan.reached;
  // Ranks are no places that stay.
  const split = scan.keys.length > 2 && source.kind === "range" ? scan.keys[scan.keys.length >> 1] : undefined;
  return {
    page: scan.rows,
    isDone: reached.kind === "end",
    continueCursor: await codec.encode(reached, fingerprint),
    splitCursor: split === undefined ? null : await codec.encode({ kind: "after", key: split }, fingerprint),
    pageStatus: statusOf(run, scan, options, ports),
  };
}

/** A journal that no longer fits belongs to an older version of the function: the page starts afresh. */
async function journalPosition(
  codec: CursorCodec,
  text: string | null,
  fingerprint: string,
): Promise<CursorPosition | null> {
  if (text === null) return null;
  const decoded = await codec.decode(text, fingerprint);
  return decoded.kind === "valid" ? decoded.position : null;
}

function emptyPage(reached: CursorPosition, continueCursor: string): Page {
  return { page: [], isDone: reached.kind === "end", continueCursor, splitCursor: null, pageStatus: null };
}

/** Rows after `start`, up to and including `end`, in the order of the query. */
function between(source: ScanSource, start: CursorPosition | null, end: CursorPosition | null): Interval {
  let { start: low, end: high } = source.interval;
  const after = start?.kind === "after" ? start.key : null;
  const upTo = end?.kind === "after" ? end.key : null;
  if (source.order === "asc") {
    if (after !== null) low = later(low, afterKey(after));
    if (upTo !== null) high = earlier(high, afterKey(upTo));
  } else {
    if (after !== null) high = earlier(high, after);
    if (upTo !== null) low = later(low, upTo);
  }
  return { start: low, end: high !== null && high < low ? low : high };
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}

function earlier(a: string | null, b: string): string {
  return a !== null && a < b ? a : b;
}

interface ScannedPage {
  readonly rows: readonly string[];
  /** Every row scanned, whether it is in the page or not. */
  readonly keys: readonly IndexKey[];
  readonly reached: CursorPosition;
  readonly cutShort: boolean;
}

async function scanPage(run: QueryRun, options: PaginationOptions, toTheEnd: boolean): Promise<ScannedPage> {
  const rows: string[] = [];
  const keys: IndexKey[] = [];
  const wanted = toTheEnd ? Number.POSITIVE_INFINITY : options.pageSize;
  const stopped = (cutShort: boolean): ScannedPage => {
    const last = keys.at(-1);
    return { rows, keys, cutShort, reached: last === undefined ? { kind: "end" } : { kind: "after", key: last } };
  };
  while (rows.length < wanted) {
    if (keys.length > 0 && isOverCap(run, options)) return stopped(true);
    const step = run.step(keys.length === 0);
    switch (step.kind) {
      case "end":
        return { rows, keys, cutShort: false, reached: { kind: "end" } };
      case "limit":
        return stopped(true);
      case "fetch":
        await run.fetch(Math.min(wanted - rows.length, rowsLeft(run, options)));
        break;
      case "row":
        keys.push(step.row.key);
        if (step.admitted) rows.push(step.row.json);
    }
  }
  return stopped(false);
}

function isOverCap({ scanned }: QueryRun, { maximumRowsRead, maximumBytesRead }: PaginationOptions): boolean {
  return (
    (maximumRowsRead !== null && scanned.documents >= maximumRowsRead) ||
    (maximumBytesRead !== null && scanned.bytes >= maximumBytesRead)
  );
}

function rowsLeft({ scanned }: QueryRun, { maximumRowsRead }: PaginationOptions): number {
  return maximumRowsRead === null ? Number.POSITIVE_INFINITY : maximumRowsRead - scanned.documents;
}

function statusOf(
  { scanned }: QueryRun,
  { rows, cutShort }: ScannedPage,
  { maximumRowsRead, maximumBytesRead }: PaginationOptions,
  { limits }: PaginationPorts,
): Page["pageStatus"] {
  if (cutShort) return "SplitRequired";
  const large =
    scanned.documents > SPLIT_SHARE * (maximumRowsRead ?? limits.documentsRead) ||
    scanned.bytes > SPLIT_SHARE * (maximumBytesRead ?? limits.bytesRead) ||
    rows.length > LARGE_PAGE;
  return large ? "SplitRecommended" : null;
}

export function multiplePaginations(): CodedError {
  return badRequest(
    "MultiplePaginatedDatabaseQueries",
    "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.",
  );
}

/** In mutations components do page through their tables, and published ones rely on it. */
export function paginationInComponent(): CodedError {
  return badRequest(
    "PaginationUnsupportedInComponents",
    "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination",
  );
}
