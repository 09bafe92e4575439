import type { Modification } from "../raw-socket.ts";
import type { LedgerModel } from "./ledger-model.ts";

export type LedgerQuery =
  | { readonly name: "head" }
  | { readonly name: "some" | "signed"; readonly cells: readonly number[] }
  | { readonly name: "full"; readonly cell: number }
  | {
      readonly name: "page";
      readonly from: number;
      readonly numItems: number;
      /** Keeps it from being shared with another page, whose borders are its own. */
      readonly unique: number;
      /** As the server sent it last. */
      journal: string | null;
      /** Last cell of the page since its first result. */
      end: number | null;
    };

export function udfPath({ name }: LedgerQuery): string {
  return `ledger:${name}`;
}

let pages = 0;
export function newPage(from: number, numItems: number): LedgerQuery {
  return { name: "page", from, numItems, unique: ++pages, journal: null, end: null };
}

export function queryArgs(query: LedgerQuery): object {
  switch (query.name) {
    case "head":
      return {};
    case "some":
    case "signed":
      return { cells: query.cells };
    case "full":
      return { cell: query.cell };
    case "page":
      return { from: query.from, paginationOpts: { numItems: query.numItems, cursor: null, id: query.unique } };
    default:
      return query satisfies never;
  }
}

/** What is wrong with a result that a client shows at the write `seq`, called `name`. Null: nothing. */
export function problemOf(
  query: LedgerQuery,
  { type, value, errorMessage }: Modification,
  { model, seq, name }: { readonly model: LedgerModel; readonly seq: number; readonly name: string | null },
): string | null {
  const expected = expectedValue(query, value, { model, seq, name });
  if (expected === undefined) {
    const failed = type === "QueryFailed" && errorMessage?.includes("is empty") === true;
    return failed ? null : `it shows ${JSON.stringify(value)}, not a failure`;
  }
  const shown = query.name === "page" ? (value as { cells: unknown } | undefined)?.cells : value;
  if (type === "QueryUpdated" && JSON.stringify(shown) === JSON.stringify(expected)) return null;
  return `it shows ${type} ${JSON.stringify(shown ?? errorMessage)}, not ${JSON.stringify(expected)}`;
}

/** Undefined: it has to fail. */
function expectedValue(
  query: LedgerQuery,
  value: unknown,
  { model, seq, name }: { readonly model: LedgerModel; readonly seq: number; readonly name: string | null },
): unknown {
  switch (query.name) {
    case "head":
      return seq;
    case "some":
      return query.cells.map((cell) => model.valueAt(cell, seq));
    case "signed":
      return [name, ...query.cells.map((cell) => model.valueAt(cell, seq))];
    case "full":
      return model.valueAt(query.cell, seq) ?? undefined;
    case "page": {
      const all = model.cellsAt(query.from, Infinity, seq);
      if (query.end !== null) return all.filter(([cell]) => cell <= (query.end ?? Infinity));
      const first = all.slice(0, query.numItems);
      const isDone = (value as { isDone?: boolean } | undefined)?.isDone === true;
      query.end = isDone ? Infinity : (first.at(-1)?.[0] ?? Infinity);
      return first;
    }
    default:
      return query satisfies never;
  }
}
