import * as fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEFAULT_TRANSACTION_LIMITS } from "../../../src/engine/limits.ts";
import { parseDeployment } from "../../../src/protocol/deployment.ts";
import { changedSettings, parseSettings, SettingsError } from "../../../src/protocol/parse-settings.ts";
import {
  invocationLimits,
  limitNotes,
  SETTINGS,
  transactionLimitNotes,
  transactionLimits,
} from "../../../src/protocol/settings.ts";

const ROOT = join(import.meta.dirname, "../../..");

test("SET1 without variables every setting has its default", () => {
  const settings = parseSettings({});
  expect(settings).toEqual(
    Object.fromEntries(Object.entries(SETTINGS).map(([key, { default: value }]) => [key, value])),
  );
  expect(settings.actionTimeoutMs).toBe(1_800_000);
  expect(settings.redactErrors).toBe(true);
  expect(changedSettings(settings)).toEqual([]);
});

test("SET2 the name of a setting is its key in the table, in upper case", () => {
  const names = Object.keys(SETTINGS).map((key) => `CONVECTION_${key.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`);
  expect(Object.values(SETTINGS).map((setting) => setting.name)).toEqual(names);
});

test("SET3 any whole number in range is read back, as a string or as a JSON number", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (value) => {
      for (const given of [String(value), value]) {
        expect(parseSettings({ CONVECTION_LOG_LINES: given }).logLines).toBe(value);
      }
    }),
  );
});

test("SET3 zero is taken by every setting that says what it means", () => {
  const meaningful = Object.values(SETTINGS).filter(({ description }) => /\b0: /.test(description));
  expect(meaningful.map(({ name }) => name)).toContain("CONVECTION_COMMIT_GATHER_MS");
  for (const { name } of meaningful) expect(() => parseSettings({ [name]: "0" })).not.toThrow();
});

test("SET4 a changed setting is listed by its variable", () => {
  const settings = parseSettings({ CONVECTION_REDACT_ERRORS: "false", CONVECTION_USER_TIME_MS: "2000" });
  expect(settings).toMatchObject({ redactErrors: false, userTimeMs: 2000 });
  expect(changedSettings(settings)).toEqual(["CONVECTION_USER_TIME_MS=2000", "CONVECTION_REDACT_ERRORS=false"]);
});

test.each([
  ["CONVECTION_USER_TIME_MS", "0"],
  ["CONVECTION_USER_TIME_MS", "-1"],
  ["CONVECTION_USER_TIME_MS", "1.5"],
  ["CONVECTION_USER_TIME_MS", "1e3"],
  ["CONVECTION_USER_TIME_MS", "1s"],
  ["CONVECTION_USER_TIME_MS", 1.5],
  ["CONVECTION_USER_TIME_MS", {}],
  ["CONVECTION_USER_TIME_MS", "9".repeat(30)],
  ["CONVECTION_REDACT_ERRORS", "yes"],
  ["CONVECTION_NO_SUCH_THING", "1"],
])("SET5 %s=%j is refused by name", (name, value) => {
  expect(() => parseSettings({ [name]: value })).toThrow(SettingsError);
  expect(() => parseSettings({ [name]: value })).toThrow(new RegExp(`^${name}\\b.+docs/settings\\.md`));
});

test("SET6 bindings, secrets and other variables are not settings", () => {
  const vars = {
    DB: {},
    CONVEX_CLOUD_URL: "http://x",
    CONVECTION_SECRET: "s",
    CONVECTION_INSTANCE_NAME: "n",
    PATH: "/",
  };
  expect(changedSettings(parseSettings(vars))).toEqual([]);
});

test("SET7 limits are handed on in the words of the engine and of the isolate", () => {
  expect(transactionLimits(parseSettings({}))).toEqual(DEFAULT_TRANSACTION_LIMITS);
  expect(invocationLimits(parseSettings({ CONVECTION_MEMORY_BYTES: "5" }))).toEqual({
    userTimeMs: 1000,
    concurrentOperations: 1000,
    memoryBytes: 5,
    argumentBytes: 16 * 1024 * 1024,
    logLines: 256,
    logLineBytes: 32_768,
    notes: { userTimeMs: "", concurrentOperations: "", memoryBytes: " [CONVECTION_MEMORY_BYTES=5]", logLines: "" },
  });
});

test("SET8 every setting names a row of docs/compatibility.md, or none", () => {
  const page = readFileSync(join(ROOT, "docs/compatibility.md"), "utf8");
  for (const { row } of Object.values(SETTINGS))
    if (row !== null) expect(page).toMatch(new RegExp(`^\\| ${row} +\\|`, "m"));
});

const SECRET = "0123456789abcdef".repeat(4);
const URLS = { CONVEX_CLOUD_URL: "https://api.example/", CONVEX_SITE_URL: "https://site.example/http/" };

test("SET9 the identity of a deployment: origins without trailing slash, a default name, an optional old secret", () => {
  const deployment = { instanceName: "convection", secret: SECRET, previousSecret: null };
  const cloudUrl = "https://api.example";
  const urls = {
    cloudUrl,
    siteUrl: "https://site.example/http",
    nodeActionsUrl: null,
    nodeCallbackUrl: cloudUrl,
  };
  expect(parseDeployment({ ...URLS, CONVECTION_SECRET: SECRET })).toEqual({ ...deployment, ...urls });
  expect(
    parseDeployment({
      ...URLS,
      CONVECTION_SECRET: SECRET,
      CONVECTION_SECRET_PREVIOUS: `${SECRET}00`,
      CONVECTION_INSTANCE_NAME: "prod-eu",
    }),
  ).toEqual({ ...urls, instanceName: "prod-eu", secret: SECRET, previousSecret: `${SECRET}00` });
  expect(
    parseDeployment({ ...URLS, CONVECTION_SECRET: SECRET, CONVECTION_SECRET_PREVIOUS: "" }).previousSecret,
  ).toBeNull();
});

test("SET10 a missing or bad identity is refused without showing the secret", () => {
  expect(() => parseDeployment(URLS)).toThrow(new SettingsError("CONVECTION_SECRET is not set."));
  const short = "abcd1234";
  const message = "CONVECTION_SECRET must be at least 32 random bytes in hexadecimal (openssl rand -hex 32).";
  expect(() => parseDeployment({ ...URLS, CONVECTION_SECRET: short })).toThrow(new SettingsError(message));
  expect(() => parseDeployment({ ...URLS, CONVECTION_SECRET: SECRET, CONVECTION_INSTANCE_NAME: "a|b" })).toThrow(
    new SettingsError("CONVECTION_INSTANCE_NAME must consist of lower-case letters, digits and hyphens."),
  );
  expect(() => parseDeployment({ ...URLS, CONVECTION_SECRET: SECRET, CONVEX_SITE_URL: "site.example" })).toThrow(
    new SettingsError("CONVEX_SITE_URL must be an http or https URL."),
  );
});

test("EXE5 the note of a limit is there only when its setting was changed, and names it with its value", () => {
  expect(limitNotes(parseSettings({}))).toEqual({});
  const notes = limitNotes(parseSettings({ CONVECTION_USER_TIME_MS: "500", CONVECTION_TRANSACTION_BYTES_READ: "7" }));
  expect(notes).toEqual({
    userTimeMs: " [CONVECTION_USER_TIME_MS=500]",
    transactionBytesRead: " [CONVECTION_TRANSACTION_BYTES_READ=7]",
  });
  expect(transactionLimitNotes(notes)).toMatchObject({
    bytesRead: " [CONVECTION_TRANSACTION_BYTES_READ=7]",
    documentsRead: "",
  });
});
