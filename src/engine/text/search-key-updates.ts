import type { JsonValue } from "../../shared/json.ts";
import type { SearchDefinition } from "../derived-index.ts";
import type { IndexKey, InternalId } from "../names.ts";
import { indexedText, sameIndexedText } from "./indexed-text.ts";
import { termKeys } from "./term-keys.ts";

/** Keys under which the commit log tells that a document changed for a text index; none when it did not. */
export function searchKeyUpdates(
  definition: SearchDefinition,
  before: JsonValue,
  after: JsonValue,
  id: InternalId,
): readonly IndexKey[] {
  const texts = [indexedText(definition, before), indexedText(definition, after)] as const;
  return sameIndexedText(...texts) ? [] : termKeys(texts, id);
}
