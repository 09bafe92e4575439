import { expect, test } from "vitest";
import type { SearchDefinition } from "../../../src/engine/derived-index.ts";
import type { InternalId } from "../../../src/engine/names.ts";
import { indexedText } from "../../../src/engine/text/indexed-text.ts";
import { score } from "../../../src/engine/text/score.ts";
import { searchKeyUpdates } from "../../../src/engine/text/search-key-updates.ts";
import { termIntervals, termKeys } from "../../../src/engine/text/term-keys.ts";
import { tokenize } from "../../../src/engine/text/tokenize.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const ID = "A".repeat(32) as InternalId;
const DEFINITION: SearchDefinition = { type: "search", searchField: "body", filterFields: ["kind"] };

test("P-T-2 terms are words of letters and digits in lower case", () => {
  expect(tokenize("Hello, World! it's 42nd-street_x")).toEqual(["hello", "world", "it", "s", "42nd", "street", "x"]);
  expect(tokenize("Übergrößen ПРИВЕТ 日本語 ½ é")).toEqual(["übergrößen", "привет", "日本語", "½", "é"]);
  expect(tokenize("")).toEqual([]);
  expect(tokenize(" \n\t.,-_ 🙂 ")).toEqual([]);
});

test("P-T-2 a term keeps 32 bytes, and no half of a character", () => {
  expect(tokenize("a".repeat(40))).toEqual(["a".repeat(32)]);
  expect(tokenize("ü".repeat(20))).toEqual(["ü".repeat(16)]);
  expect(tokenize(`a${"ü".repeat(20)}`)).toEqual([`a${"ü".repeat(15)}`]);
  expect(tokenize("日".repeat(11))).toEqual(["日".repeat(10)]);
  expect(tokenize("𝒳".repeat(9))).toEqual(["𝒳".repeat(8)]);
});

test("P-T-2 rare terms, repeated terms and short texts score more; other filter values score nothing", () => {
  const statistics = { documents: 100, terms: 1000, matching: [50, 2] };
  const rate = (body: string, kind = 1, query = ["common", "rare"]) =>
    score(indexedText(DEFINITION, { body, kind }), { terms: query, filters: [] }, ["kind"], statistics) ?? 0;
  expect(rate("rare one")).toBeGreaterThan(rate("common one"));
  expect(rate("rare common")).toBeGreaterThan(rate("rare other"));
  expect(rate("common common word")).toBeGreaterThan(rate("common other word"));
  expect(rate("common")).toBeGreaterThan(rate("common and very many other words"));
  expect(rate("common")).toBeGreaterThan(0);
  expect(rate("nothing")).toBe(0);
  expect(rate("rarest")).toBeGreaterThan(0);
  expect(rate("commonplace")).toBe(0);
});

test("P-T-3 a document falls into what a search depends on exactly if a term can match, whatever the terms", () => {
  const seed = freshSeed();
  const random = new SeededRandom(seed);
  const word = () => Array.from({ length: 1 + random.below(12) }, () => random.pick(["a", "b", "ü", "0"])).join("");
  let hits = 0;
  for (let round = 0; round < 2000; round++) {
    const terms = Array.from({ length: 1 + random.below(5) }, word);
    const query = Array.from({ length: 1 + random.below(3) }, () => (random.chance(0.3) ? random.pick(terms) : word()));
    const last = query.at(-1) ?? "";
    if (random.chance(0.5)) query[query.length - 1] = last.slice(0, 1 + random.below(3));
    const matches = terms.some((term) => term.startsWith(query.at(-1) ?? "") || query.slice(0, -1).includes(term));
    const keys = termKeys([{ terms, filters: [] }], ID);
    const intervals = termIntervals(query);
    const touched = keys.some((key) => intervals.some(({ start, end }) => key >= start && (end === null || key < end)));
    if (matches) {
      hits++;
      expect(touched, `seed ${seed}: ${terms.join()} ${query.join()}`).toBe(true);
    } else if ([...terms, ...query].every((term) => new TextEncoder().encode(term).length <= 8)) {
      // Longer terms share their keys.
      expect(touched, `seed ${seed}: ${terms.join()} ${query.join()}`).toBe(false);
    }
  }
  expect(hits).toBeGreaterThan(100);
});

test("P-T-3 a document of very many terms has one key, which every search depends on", () => {
  const terms = Array.from({ length: 500 }, (_, n) => `t${n}`);
  const keys = termKeys([{ terms, filters: [] }], ID);
  expect(keys).toHaveLength(1);
  const [key = ""] = keys;
  expect(termIntervals(["other"]).some(({ start, end }) => key >= start && (end === null || key < end))).toBe(true);
});

test("P-T-3 only a change of the text or of a filter field is told", () => {
  const before = { body: "one two", kind: 1, other: 1 };
  expect(searchKeyUpdates(DEFINITION, before, { ...before, other: 2 }, ID)).toEqual([]);
  expect(searchKeyUpdates(DEFINITION, before, { ...before, kind: 2 }, ID)).toHaveLength(2);
  expect(searchKeyUpdates(DEFINITION, before, { ...before, body: "two three" }, ID)).toHaveLength(3);
  expect(searchKeyUpdates(DEFINITION, null, before, ID)).toHaveLength(2);
  expect(searchKeyUpdates(DEFINITION, before, null, ID)).toHaveLength(2);
  expect(searchKeyUpdates(DEFINITION, null, { body: 17 }, ID)).toEqual([]);
});
