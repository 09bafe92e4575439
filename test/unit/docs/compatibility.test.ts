import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../../..");

/** Rows per series: numbers run from 1 without gaps; the lettered ones come on top. */
const SERIES: Readonly<Record<string, { readonly last: number; readonly lettered?: readonly string[] }>> = {
  S0: { last: 49 },
  S1: { last: 27 },
  S4: { last: 26 },
  "P-F": { last: 29 },
  "P-D": { last: 13 },
  "P-R": { last: 10 },
  "P-S": { last: 14 },
  "P-H": { last: 9 },
  "P-B": { last: 6 },
  "P-T": { last: 3 },
  "P-V": { last: 5 },
  "P-A": { last: 7 },
  "P-C": { last: 7 },
  "P-E": { last: 5 },
  "P-I": { last: 7 },
  "P-X": { last: 11 },
  "E-A": { last: 15, lettered: ["2b", "3b"] },
  "E-B": { last: 18, lettered: ["7b"] },
  "E-C": { last: 18, lettered: ["7b", "7c", "9b", "9c"] },
  "E-D": { last: 16, lettered: ["2b"] },
  "E-E": { last: 13 },
  "E-F": { last: 18 },
  "E-G": { last: 9 },
};

const ROW = /^\| *((?:S\d|[PE]-[A-Z])-\d+[a-z]?) *\| (.+?) +\| (works|not yet|differs)( \(.+?\))? *\|(.*)\|$/;

interface Row {
  readonly id: string;
  readonly status: string;
  readonly reason: string | undefined;
}

function rows(): Row[] {
  return readFileSync(join(ROOT, "docs/compatibility.md"), "utf8")
    .split("\n")
    .filter((line) => /^\| *(?:S\d|[PE]-[A-Z])-/.test(line))
    .map((line) => {
      const match = ROW.exec(line);
      if (match === null) throw new Error(`not a row: ${line}`);
      const [, id = "", , status = "", reason] = match;
      return { id, status, reason };
    });
}

function titles(): string[] {
  return globSync("test/**/*.test.ts", { cwd: ROOT }).flatMap((file) =>
    [
      ...readFileSync(join(ROOT, file), "utf8").matchAll(/\b(?:test|it)(?:\.\w+(?:\([^)]*\))?)*\(\s*["'`]([^"'`]+)/g),
    ].map((match) => match[1] ?? ""),
  );
}

test("DOC1 docs/compatibility.md names every row exactly once", () => {
  const expected = Object.entries(SERIES).flatMap(([series, { last, lettered = [] }]) => [
    ...Array.from({ length: last }, (_, index) => `${series}-${index + 1}`),
    ...lettered.map((suffix) => `${series}-${suffix}`),
  ]);
  expect(
    rows()
      .map((row) => row.id)
      .toSorted(),
  ).toEqual(expected.toSorted());
});

test("DOC2 every row that works or differs is named in the title of a test, and what differs says why", () => {
  const named = new Set(titles().flatMap((title) => title.match(/\b(?:S\d|[PE]-[A-Z])-\d+[a-z]?\b/g) ?? []));
  const claimed = rows().filter((row) => row.status !== "not yet");
  expect(claimed.map((row) => row.id).filter((id) => !named.has(id))).toEqual([]);
  expect(claimed.filter((row) => row.status === "differs" && row.reason === undefined)).toEqual([]);
});
