import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataDirectory, readSecret, temporaryDataDirectory } from "../../../src/cli/data-directory.ts";

let path = "";

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "convection-data-"));
});

afterEach(() => rmSync(path, { recursive: true, force: true }));

test("CLI7 a directory is locked while it is open, and free afterwards", () => {
  using first = openDataDirectory(path);
  expect(() => openDataDirectory(path)).toThrow(`is in use by another backend (process ${process.pid})`);
  expect(readdirSync(path).toSorted()).toEqual(["lock", "secret"]);
  first[Symbol.dispose]();
  expect(readdirSync(path)).toEqual(["secret"]);
  using again = openDataDirectory(path);
  expect(again.secret).toBe(first.secret);
});

test.each([
  ["a process that is gone", "4194305 123\n"],
  ["a process that started at another time", `${process.pid} 1\n`],
  ["nothing readable", "garbage\n"],
  ["nothing", ""],
])("CLI7 a lock left by %s is taken over", (_, content) => {
  writeFileSync(join(path, "lock"), content);
  {
    using data = openDataDirectory(path);
    expect(data.path).toBe(path);
    expect(readFileSync(join(path, "lock"), "utf8")).toMatch(new RegExp(`^${process.pid} `));
    expect(readdirSync(path).toSorted()).toEqual(["lock", "secret"]);
  }
  expect(readdirSync(path)).toEqual(["secret"]);
});

test("CLI7 the secret is made once, 32 bytes, for its owner's eyes; a damaged one is refused", () => {
  {
    using data = openDataDirectory(path);
    expect(data.secret).toMatch(/^[0-9a-f]{64}$/);
    expect(readSecret(path)).toBe(data.secret);
    expect(statSync(join(path, "secret")).mode & 0o777).toBe(0o600);
  }
  writeFileSync(join(path, "secret"), "0123");
  expect(() => openDataDirectory(path)).toThrow("does not hold a secret of at least 32 bytes");
  expect(readdirSync(path)).toEqual(["secret"]);
});

test("CLI2 a temporary directory is gone when it is closed", () => {
  const data = temporaryDataDirectory();
  expect(readdirSync(data.path)).toEqual(["secret"]);
  data[Symbol.dispose]();
  expect(() => readdirSync(data.path)).toThrow("ENOENT");
});
