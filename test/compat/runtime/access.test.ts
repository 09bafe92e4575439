import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AdminKeys } from "../../../src/auth/admin-key.ts";
import type { TestBackend } from "../../support/backend.ts";
import { Api, type Kind, newGroup, startRuntimeApp } from "./api.ts";

const SECRET = "0123456789abcdef".repeat(4);

let backend: TestBackend;
let api: Api;
let readOnly: Record<string, string>;

beforeAll(async () => {
  backend = await startRuntimeApp({ env: { CONVECTION_SECRET: SECRET } });
  api = new Api(backend);
  const keys = await AdminKeys.create("convection", [SECRET]);
  readOnly = api.asAdmin(await keys.issue({ readOnly: true }));
});
afterAll(() => backend?.stop());

describe("credentials", () => {
  test.each([
    ["Convex convection|0123", 401, "BadAdminKey", "The provided admin key was invalid for this instance"],
    [`Convex other|01${"ab".repeat(32)}`, 401, "BadAdminKey", "The provided admin key was invalid for this instance"],
    ["x", 400, "InvalidHeaderFailure", "Malformed Authorization header."],
    ["Convex convection|0123:%%%", 400, "HeaderParseFailure", /^Malformed Authorization header\./],
  ])("E-G-1 E-G-2 %s is refused and nothing runs", async (authorization, http, code, message) => {
    const group = newGroup();
    const answer = await api.call("mutation", "items:add", { group, n: 1 }, { authorization });
    const expected = typeof message === "string" ? message : expect.stringMatching(message);
    expect(answer).toEqual({ http, code, message: expected, logLines: [] });
    expect(await api.value("query", "items:list", { group })).toEqual([]);
  });

  test("E-G-2 another scheme is refused", async () => {
    const answer = await api.call("query", "kinds:q", {}, { authorization: "Basic eDp5" });
    expect(answer).toEqual({ http: 400, code: "InvalidAdminKey", message: "Invalid admin key", logLines: [] });
  });

  test("E-G-1 what only admins may do is refused to everybody else", async () => {
    expect(await api.call("function", "kinds:q")).toEqual({
      http: 403,
      code: "BadDeployKey",
      message: "The provided admin key was invalid for this instance",
      logLines: [],
    });
  });
});

describe("a read-only key", () => {
  test.each<[Kind, string]>([
    ["query", "kinds:iq"],
    ["function", "kinds:iq"],
  ])("EXE6 runs queries by /api/%s", async (kind, path) => {
    expect(await api.call(kind, path, {}, readOnly)).toMatchObject({ http: 200, value: "internal query" });
  });

  test.each<[Kind, string]>([
    ["mutation", "items:add"],
    ["function", "items:add"],
    ["action", "kinds:a"],
    ["function", "kinds:a"],
  ])("EXE6 does nothing else by /api/%s: %s", async (kind, path) => {
    const group = newGroup();
    const args = path === "items:add" ? { group, n: 1 } : {};
    expect(await api.call(kind, path, args, readOnly)).toMatchObject({
      http: 403,
      code: "OperationNotPermitted",
      message: expect.stringContaining("You do not have permission to perform this operation"),
    });
    expect(await api.value("query", "items:list", { group })).toEqual([]);
  });
});

describe("a query at a timestamp", () => {
  function encode(nanoseconds: bigint): string {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(nanoseconds);
    return bytes.toString("base64");
  }

  test("EXE7 P-R-9 sees the state of then; one of the future or of long ago is refused", async () => {
    const group = newGroup();
    await api.value("mutation", "items:add", { group, n: 1 });
    const response = await fetch(`${backend.url}/api/query_ts`, { method: "POST" });
    const { ts } = (await response.json()) as { ts: string };
    await api.value("mutation", "items:add", { group, n: 2 });
    const body = { path: "items:list", args: { group } };
    expect((await api.post("query_at_ts", { ...body, ts })).value).toEqual([1]);

    const future = Buffer.from(ts, "base64").readBigUInt64LE() + 3_600_000_000_000n;
    expect(await api.post("query_at_ts", { ...body, ts: encode(future) })).toMatchObject({
      http: 400,
      code: "InvalidTimestamp",
      message: expect.stringMatching(/^Timestamp \S+ is newer than the database$/),
    });
    expect(await api.post("query_at_ts", { ...body, ts: "no timestamp" })).toMatchObject({ http: 400 });
  });
});
