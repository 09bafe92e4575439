import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiClient, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";

/** Clients without sockets: `ConvexHttpClient` and plain HTTP. */

const add = makeFunctionReference<"action">("basics:add");
const noteAdd = makeFunctionReference<"mutation">("notes:add");
const notesList = makeFunctionReference<"query">("notes:list");
const refuse = makeFunctionReference<"mutation">("notes:addAndRefuse");

let app: AppCopy;
let backend: TestBackend;
let api: ApiClient;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "mission-app"));
  backend = await startBackend({ app: app.path });
  api = new ApiClient(backend);
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

/** A JSON web token that nobody signed. */
function token(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256", typ: "JWT" })}.${part({ iss: "https://issuer.example", sub: "me" })}.c2lnbmF0dXJl`;
}

describe("ConvexHttpClient", () => {
  test("P-R-5 S4-13 runs queries, mutations and actions by reference", async () => {
    const http = api.client();
    expect(await http.mutation(noteAdd, { channel: "client", text: "a" })).toEqual(expect.any(String));
    expect(await http.query(notesList, { channel: "client" })).toEqual(["a"]);
    expect(await http.action(add, { a: 1, b: 2 })).toBe(3);
  });

  test("P-R-5 prints what functions print, in development", async () => {
    const printed: unknown[][] = [];
    const print = (...args: unknown[]) => void printed.push(args);
    const http = new ConvexHttpClient(backend.url, {
      skipConvexDeploymentUrlCheck: true,
      logger: { log: print, warn: print, error: print, logVerbose: print },
    });
    await http.action(add, { a: 1, b: 2 });
    expect(printed).toEqual([
      [expect.stringContaining("[CONVEX A(basics:add)] [LOG]"), expect.anything(), "'entered'"],
    ]);
  });

  test("P-R-5 a ConvexError of a function is one in the client", async () => {
    const failed: unknown = await api
      .client()
      .mutation(refuse, { channel: "refused", text: "x" })
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ConvexError);
    expect(failed).toMatchObject({ data: { reason: "refused", at: 3n } });
  });

  test("P-R-5 setAuth sends the token, clearAuth takes it back", async () => {
    const http = api.client();
    http.setAuth(token());
    await expect(http.query(notesList, { channel: "nobody" })).rejects.toThrow("NoAuthProvider");
    await expect(http.action(add, { a: 1, b: 2 })).rejects.toThrow("NoAuthProvider");
    http.clearAuth();
    expect(await http.query(notesList, { channel: "nobody" })).toEqual([]);
  });
});

describe("plain HTTP", () => {
  test("P-R-9 an action that fails answers error, data and log lines", async () => {
    const args = { kind: "mutation", name: "notes:addAndRefuse", args: { channel: "refused", text: "x" } };
    const response = await api.post("/api/action", { path: "names:byString", args, format: "json" });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      status: "error",
      errorMessage: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught ConvexError: /),
      errorData: { reason: "refused", at: "3" },
    });
    const misdeclared = await api.post("/api/action", { path: "basics:misdeclared", args: {} });
    expect(await misdeclared.json()).toMatchObject({ status: "error", logLines: ["[LOG] 'entered'"] });
  });

  test("P-R-9 a query by GET, a call with an admin key, a call with a token", async () => {
    const args = encodeURIComponent(JSON.stringify({ channel: "by GET" }));
    const url = new URL(`/api/query?path=notes:list&args=${args}&format=json`, backend.url);
    expect(await (await fetch(url)).json()).toEqual({ status: "success", value: [] });
    const hidden = { path: "mixed:doHidden", args: {} };
    const admin = await api.post("/api/action", hidden, { authorization: `Convex ${backend.adminKey}` });
    expect(await admin.json()).toEqual({ status: "success", value: "hidden" });
    const user = await api.post("/api/action", hidden, { authorization: `Bearer ${token()}` });
    expect(user.status).toBe(401);
    expect(await user.json()).toMatchObject({ code: "NoAuthProvider" });
  });

  test("P-R-9 S4-22 what a function of any kind answers under /api/run", async () => {
    expect(await valueOf(api.run("notes/add", { channel: "run", text: "a" }))).toEqual(expect.any(String));
    expect(await valueOf(api.run("notes/list", { channel: "run" }))).toEqual(["a"]);
    expect(await valueOf(api.run("data/read", { channel: "run" }))).toEqual(["a"]);
  });
});
