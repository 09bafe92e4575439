import { expect, test } from "vitest";
import {
  canonicalPath,
  displayPath,
  moduleRole,
  parseFunctionPath,
  parseModulePath,
} from "../../../src/values/function-path.ts";
import {
  checkIdentifier,
  checkIndexName,
  checkTableName,
  identifierError,
  parseFieldPath,
} from "../../../src/values/identifier.ts";
import { fc } from "./arbitraries.ts";

function badRequest(message: string, code?: string) {
  return expect.objectContaining({ errorClass: "BadRequest", message, ...(code === undefined ? {} : { code }) });
}

test.each([
  ["messages:list", "messages.js", "list", "messages:list"],
  ["messages.js:list", "messages.js", "list", "messages:list"],
  ["dir/sub/mod:fn", "dir/sub/mod.js", "fn", "dir/sub/mod:fn"],
  ["foo", "foo.js", "default", "foo"],
  ["foo:default", "foo.js", "default", "foo"],
  ["_system/cli/tables", "_system/cli/tables.js", "default", "_system/cli/tables"],
  ["a.b.js:_x", "a.b.js", "_x", "a.b:_x"],
])("PTH1 %s", (path, module, name, display) => {
  const parsed = parseFunctionPath(path);
  expect(parsed).toEqual({ module, function: name });
  expect(displayPath(parsed)).toBe(display);
  expect(canonicalPath(parsed)).toBe(`${module}:${name}`);
});

const component = (text: string) =>
  `Path component ${text} can only contain alphanumeric characters, underscores, or periods.`;

test.each([
  ["", "Module path cannot be empty."],
  [":fn", "Module path cannot be empty."],
  ["/abs:fn", "Module paths must be relative."],
  ["a//b:fn", "Path component cannot be empty."],
  ["a/:fn", "Path component cannot be empty."],
  ["m/o-k", component("o-k")],
  ["m:ok:x", component("m:ok")],
  ["mé:x", component("mé")],
  ["../m:x", "Path component .. must have at least one alphanumeric character."],
  ["__/m:x", "Path component __ must have at least one alphanumeric character."],
  ["m.ts:x", "Module path (m.ts) has an extension that isn't 'js'."],
  ["dir/m.:x", "Module path (dir/m.) has an extension that isn't 'js'."],
  [`${"a".repeat(70)}:x`, `Path component is too long (70 > maximum 64): ${"a".repeat(64)}...`],
  [`${"é".repeat(33)}:x`, `Path component is too long (66 > maximum 64): ${"é".repeat(32)}...`],
  ["m:", "Identifier cannot be empty"],
  ["m:1x", "Invalid first character '1' in 1x: Identifiers must start with an alphabetic character or underscore"],
  [
    "m:a b",
    "Identifier a b has invalid character ' ': Identifiers can only contain alphanumeric characters or underscores",
  ],
  ["m:__", "Identifier __ cannot have exclusively underscores"],
  [`m:${"x".repeat(65)}`, "Identifier is too long (65 > maximum 64)"],
])("PTH2 %s is no function path", (path, reason) => {
  expect(() => parseFunctionPath(path)).toThrow(
    badRequest(`${path} is not a valid path to a Convex function. ${reason}`, "BadConvexFunctionIdentifier"),
  );
});

test("PTH3 module paths become canonical, and have roles", () => {
  expect(parseModulePath("dir/m")).toBe("dir/m.js");
  expect(parseModulePath("dir/m.js")).toBe("dir/m.js");
  expect(() => parseModulePath("dir/m.mjs")).toThrow(
    badRequest("Module path (dir/m.mjs) has an extension that isn't 'js'."),
  );
  const roles = ["_system/x.js", "_deps/A.js", "actions/_deps/A.js", "http.js", "crons.js", "dir/http.js", "deps/A.js"];
  expect(roles.map(moduleRole)).toEqual([
    "system",
    "dependency",
    "dependency",
    "http",
    "crons",
    "ordinary",
    "ordinary",
  ]);
});

test("PTH4 identifiers are what the grammar says", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 5, unit: fc.constantFrom("a", "Z", "_", "9", "-", "é", "\n", "\u{1f600}") }),
      (text) => {
        expect(identifierError(text) === null).toBe(
          /^(?=.*[^_])[A-Za-z_][A-Za-z0-9_]*$/s.test(text) && !text.includes("\n"),
        );
      },
    ),
  );
  expect(identifierError("x".repeat(64))).toBeNull();
  expect(identifierError("_id")).toBeNull();
  expect(() => checkIdentifier("\u{1f600}a")).toThrow("Invalid first character '\u{1f600}' in \u{1f600}a: Identifiers");
  expect(() => checkIdentifier("a\n")).toThrow("has invalid character '\n'");
});

test("E-F-9 table names", () => {
  checkTableName("messages2_x");
  for (const name of ["1a", "a-b", "", "x".repeat(65)]) {
    expect(() => checkTableName(name)).toThrow(
      badRequest(
        `Invalid table name: "${name}". Identifiers must start with a letter and can only contain letters, digits, and underscores.`,
        "InvalidTableName",
      ),
    );
  }
  expect(() => checkTableName("_x")).toThrow(badRequest("_x is a reserved table name.", "TableNameReserved"));
});

test("E-F-10 index names", () => {
  checkIndexName("t", "by_x");
  for (const name of ["1a", "a.b", "x".repeat(65)]) {
    expect(() => checkIndexName("t", name)).toThrow(
      badRequest(
        `Invalid index name: "${name}". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.`,
      ),
    );
  }
  for (const name of ["_x", "by_id", "by_creation_time"]) {
    expect(() => checkIndexName("t", name)).toThrow(
      badRequest(
        `In table "t" cannot name an index "${name}" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".`,
      ),
    );
  }
});

test("PTH5 field paths", () => {
  expect(parseFieldPath("a.b_1.c")).toEqual(["a", "b_1", "c"]);
  expect(parseFieldPath(".a.")).toEqual(["a"]);
  expect(parseFieldPath("_id")).toEqual(["_id"]);
  for (const path of ["", "..."]) expect(() => parseFieldPath(path)).toThrow(badRequest(`Empty path ${path}`));
  expect(() => parseFieldPath("a..b")).toThrow("Identifier cannot be empty");
  expect(() => parseFieldPath("a.b-c")).toThrow("Identifier b-c has invalid character '-'");
});
