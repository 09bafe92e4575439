import { badRequest, type CodedError } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import type { SearchDefinition } from "../derived-index.ts";
import type { TextQuery } from "../text/score.ts";
import { tokenize } from "../text/tokenize.ts";
import { encodeValue } from "../value-key.ts";

/** One condition of a text search. `value: undefined` stands for a missing field. */
export type SearchFilter =
  | { readonly type: "Search"; readonly field: string; readonly text: string }
  | { readonly type: "Eq"; readonly field: string; readonly value: JsonValue | undefined };

const MAX_FILTERS = 8;

/** The rest of a longer text is ignored. */
const MAX_TERMS = 16;

/** Conditions to a query (`abi.md` §2.5.6). Throws its error texts. `null`: nothing was searched for. `name`: `table.index`. */
export function compileSearch(
  name: string,
  { searchField, filterFields }: SearchDefinition,
  filters: readonly SearchFilter[],
): TextQuery | null {
  if (filters.length > MAX_FILTERS) {
    throw badRequest(
      "TooManyFilterConditionsInSearchQueryError",
      `Search query against ${name} has too many filter conditions. Max: ${MAX_FILTERS} Actual: ${filters.length}`,
    );
  }
  let text: string | null = null;
  for (const filter of filters) {
    if (filter.type === "Eq") {
      if (filterFields.includes(filter.field)) continue;
      throw incorrect(
        "IncorrectFilterField",
        `contains an equality filter on "${filter.field}" but that field isn't indexed for filtering in \`filterFields\`.`,
      );
    }
    if (filter.field !== searchField) {
      throw incorrect(
        "IncorrectSearchField",
        `contains a search filter against "${filter.field}", which doesn't match the indexed \`searchField\` "${searchField}".`,
      );
    }
    if (text !== null) {
      throw incorrect(
        "DuplicateSearchFiltersError",
        `contains multiple search filters against "${filter.field}". Only one is allowed.`,
      );
    }
    ({ text } = filter);
  }
  if (text === null) {
    throw incorrect(
      "MissingSearchFilterError",
      `does not contain any search filters. You must include a search filter like \`q.search("${searchField}", searchText)\`.`,
    );
  }
  const terms = tokenize(text).slice(0, MAX_TERMS);
  const last = terms.at(-1);
  if (last === undefined) return null;
  const equalities = filters.flatMap((filter) =>
    filter.type === "Eq" ? [{ field: filter.field, key: encodeValue(filter.value) }] : [],
  );
  return { terms: [...new Set(terms.slice(0, -1)), last], filters: equalities };

  function incorrect(code: string, problem: string): CodedError {
    return badRequest(code, `Search query against ${name} ${problem}`);
  }
}
