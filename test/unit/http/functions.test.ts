import { describe, expect, test } from "vitest";
import { decodeWireTimestamp, encodeWireTimestamp } from "../../../src/protocol/wire-timestamp.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import { ADMIN, ADMIN_KEY, backend, READ_ONLY_KEY, success } from "./backend.ts";

const LIST = { path: "messages:list", args: { channel: "a" } };

describe("arguments", () => {
  test("P-R-9 H1 a call reaches the function and its value comes back as clean JSON", async () => {
    const { functions, post } = backend();
    functions.outcome = success(`[{"body":"hi"}]`);
    const response = await post("/api/query", { ...LIST, format: "json" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await response.text()).toBe(`{"status":"success","value":[{"body":"hi"}]}`);
    expect(functions.calls).toMatchObject([
      {
        method: "query",
        call: {
          path: { component: "", module: "messages.js", function: "list" },
          args: `[{"channel":"a"}]`,
          identity: { kind: "none" },
          visibility: "public",
          context: { requestId: "0101010101010101", caller: "HttpApi", scheduledFunctionId: null },
        },
      },
    ]);
  });

  test("S1-26 H2 an array is positional arguments, an object the only one", async () => {
    const { functions, post } = backend();
    await post("/api/query", { path: "m:f", args: [{ a: 1 }] });
    await post("/api/query", { path: "m:f", args: { a: 1 } });
    await post("/api/query", { path: "m:f", args: ["x", 1, null] });
    await post("/api/query", { path: "m:f", args: [] });
    expect(functions.calls.map(({ call }) => call.args)).toEqual([`[{"a":1}]`, `[{"a":1}]`, `["x",1,null]`, `[]`]);
  });

  test("HTTP1 what JSON text alone would lose arrives as it was sent", async () => {
    const { functions, post } = backend();
    await post(
      "/api/query",
      `{"path":"m:f","args":{"zero":-0,"in":[{"z":-0.0}],"n":1e3,"$x":{"$integer":"AQAAAAAAAAA="}}}`,
    );
    const zero = `{"$float":"AAAAAAAAAIA="}`;
    expect(functions.calls[0]?.call.args).toBe(
      `[{"zero":${zero},"in":[{"z":${zero}}],"n":1000,"$x":{"$integer":"AQAAAAAAAAA="}}]`,
    );
  });

  const bad: [name: string, body: unknown, code: string][] = [
    ["H8 args missing", { path: "messages:list" }, "BadJsonBody"],
    ["args null", { path: "messages:list", args: null }, "BadJsonBody"],
    ["args a string", { path: "messages:list", args: "{}" }, "BadJsonBody"],
    ["path missing", { args: {} }, "BadJsonBody"],
    ["path a number", { path: 1, args: {} }, "BadJsonBody"],
    ["format a number", { ...LIST, format: 1 }, "BadJsonBody"],
    ["an array", [], "BadJsonBody"],
    ["null", null, "BadJsonBody"],
    ["a number out of range", `{"path":"m:f","args":{"a":1e999}}`, "BadJsonBody"],
    ["half a surrogate pair", `{"path":"m:f","args":{"a":"\\ud800"}}`, "BadJsonBody"],
    ["half a surrogate pair in a name", `{"path":"m:f","args":{"\\ud800":1}}`, "BadJsonBody"],
    ["H9 a bad path", { path: "messages:no-such!", args: {} }, "BadConvexFunctionIdentifier"],
    ["an empty path", { path: "", args: {} }, "BadConvexFunctionIdentifier"],
    ["H5 a bad format", { ...LIST, format: "yaml" }, "BadFormat"],
    ["an inherited name as format", { ...LIST, format: "constructor" }, "BadFormat"],
  ];
  test.each(bad)("E-B-13 %s is a 400 and nothing runs", async (_name, body, code) => {
    for (const endpoint of ["/api/query", "/api/mutation", "/api/action"]) {
      const { functions, post } = backend();
      const response = await post(endpoint, body);
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({ code, message: expect.stringMatching(/./) });
      expect(functions.calls).toEqual([]);
    }
  });

  test("E-B-14 H5 the text of a bad format", async () => {
    const response = await backend().post("/api/mutation", { ...LIST, format: "yaml" });
    expect(await response.json()).toEqual({
      code: "BadFormat",
      message: "format param must be one of [`json`]. Got yaml",
    });
  });

  test("HTTP2 unknown fields are ignored", async () => {
    const response = await backend().post("/api/query", { ...LIST, extra: { a: 1 } });
    expect(response.status).toBe(200);
  });
});

describe("values", () => {
  const special = `{"a":{"$integer":"AQAAAAAAAAA="},"b":{"$float":"AAAAAAAAAIA="},"c":{"$float":"AAAAAAAA+H8="},"d":{"$bytes":"aGk="},"e":1.5}`;

  test.each([
    ["convex_encoded_json", special],
    ["convex_json", special],
    ["json", `{"a":"1","b":-0.0,"c":"NaN","d":"aGk=","e":1.5}`],
    ["convex_clean_json", `{"a":"1","b":-0.0,"c":"NaN","d":"aGk=","e":1.5}`],
    ["export_json", special.replace(`{"$integer":"AQAAAAAAAAA="}`, "1")],
  ])("P-R-9 H3 H4 format %s", async (format, value) => {
    const { functions, post } = backend();
    functions.outcome = success(special);
    expect(await (await post("/api/query", { ...LIST, format })).text()).toBe(`{"status":"success","value":${value}}`);
  });

  test.each([
    [{}, `"1"`],
    [{ "convex-client": "npm-1.48.0" }, `"1"`],
    [{ "convex-client": "npm-1.4.1" }, `"1"`],
    [{ "convex-client": "npm-1.4.0" }, `{"$integer":"AQAAAAAAAAA="}`],
    [{ "convex-client": "npm-cli-1.4.0" }, `{"$integer":"AQAAAAAAAAA="}`],
    [{ "convex-client": "python-0.4.9" }, `{"$integer":"AQAAAAAAAAA="}`],
    [{ "convex-client": "python-0.5.0" }, `"1"`],
    [{ "convex-client": "somebody-0.0.1" }, `"1"`],
  ])("P-R-9 H6 without a format, %j gets %s", async (headers, value) => {
    const { functions, post } = backend();
    functions.outcome = success(`{"$integer":"AQAAAAAAAAA="}`);
    expect(await (await post("/api/query", LIST, headers)).text()).toContain(`"value":${value}`);
    // `/api/run` has one default for everybody.
    expect(await (await post("/api/run/m/f", { args: {} }, headers)).text()).toContain(`"value":"1"`);
  });
});

describe("every endpoint", () => {
  test.each([
    ["/api/query", "query"],
    ["/api/mutation", "mutation"],
    ["/api/action", "action"],
    ["/api/function", "any"],
  ])("S1-20 %s runs a function by name", async (endpoint, method) => {
    const { functions, post } = backend();
    await post(endpoint, { path: "dir/messages.js:send", args: {} }, ADMIN);
    expect(functions.calls).toMatchObject([
      { method, call: { path: { module: "dir/messages.js", function: "send" } } },
    ]);
  });

  test("P-R-9 an HTTP mutation carries no id: sent twice, it runs twice", async () => {
    const { functions, post } = backend();
    await post("/api/mutation", LIST);
    await post("/api/mutation", LIST);
    expect(functions.calls).toHaveLength(2);
    expect(functions.calls[0]?.call).toMatchObject({ v: 1, idempotency: null });
  });

  test("S4-22 H19 /api/run names the function in the URL, segments percent-decoded", async () => {
    const { functions, post } = backend();
    await post("/api/run/messages/list", { args: { channel: "a" } });
    await post("/api/run/dir/%6Dessages/list", { args: {} });
    expect(functions.calls).toMatchObject([
      { method: "any", call: { path: { module: "messages.js", function: "list" }, visibility: "public" } },
      { method: "any", call: { path: { module: "dir/messages.js", function: "list" } } },
    ]);
  });

  test.each(["/api/run/messages", "/api/run/messages/", "/api/run/"])(
    "E-A-3b H20 %s names no function",
    async (path) => {
      const response = await backend().post(path, { args: {} });
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({
        code: "MissingIdentifier",
        message: "Path or function name not provided in path, e.g. /api/run/messages/list",
      });
    },
  );

  test.each(["/api/run/a%/b", "/api/run/a%2Fb%ff/c", "/api/run/../x/y:z", "/api/run//a/b"])(
    "P-R-9 %s is no function path",
    async (path) => {
      expect([400, 404]).toContain((await backend().post(path, { args: {} })).status);
    },
  );

  test("P-R-9 a query may come in the URL", async () => {
    const { functions, request } = backend();
    const parameters = new URLSearchParams({ path: "m:f", args: `{"a":1}`, format: "json" });
    expect((await request(`/api/query?${parameters.toString()}`)).status).toBe(200);
    expect(functions.calls[0]).toMatchObject({ method: "query", call: { args: `[{"a":1}]` } });
    for (const query of ["path=m:f", "path=m:f&args=x", "args={}", "path=m:f&args=1"]) {
      const response = await request(`/api/query?${query}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "BadQueryArgs" });
    }
  });

  test("P-R-9 H34 query_ts needs no body and gives eight bytes", async () => {
    const { functions, request } = backend();
    const response = await request("/api/query_ts", { method: "POST" });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ts: encodeWireTimestamp(functions.ts) });
  });

  test("P-R-9 H35 query_at_ts runs at the timestamp that query_ts gave", async () => {
    const { functions, post } = backend();
    const { ts }: { ts: string } = await (await post("/api/query_ts", "")).json();
    expect(decodeWireTimestamp(ts)).toBe(functions.ts);
    await post("/api/query_at_ts", { ...LIST, ts });
    expect(functions.calls).toMatchObject([{ method: "query", at: functions.ts }]);
  });

  test("HTTP3 a timestamp newer than the database is a 400", async () => {
    const response = await backend().post("/api/query_at_ts", { ...LIST, ts: "AAAAAAAAAEA=" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "InvalidTimestamp" });
  });

  test.each(["", "AAAA", "not base64!!", "AAAAAAAAAAAAAAAA"])("HTTP3 the timestamp %j is a 400", async (ts) => {
    const response = await backend().post("/api/query_at_ts", { ...LIST, ts });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "InvalidTimestamp" });
  });

  test("P-R-9 query_batch answers in order, each in its own format", async () => {
    const { functions, post } = backend();
    functions.outcome = success(`{"$integer":"AQAAAAAAAAA="}`);
    const queries = [
      { ...LIST, format: "json" },
      { path: "b:g", args: [], format: "convex_encoded_json" },
    ];
    const response = await post("/api/query_batch", { queries });
    expect(await response.text()).toBe(
      `{"results":[{"status":"success","value":"1"},{"status":"success","value":{"$integer":"AQAAAAAAAAA="}}]}`,
    );
    expect(functions.calls.map(({ call }) => call.path.module)).toEqual(["messages.js", "b.js"]);
  });

  test("P-R-9 one bad query fails the whole batch before any runs", async () => {
    for (const worse of [{ path: "a:!", args: {} }, { ...LIST, format: "yaml" }, { path: "a:b" }]) {
      const { functions, post } = backend();
      expect((await post("/api/query_batch", { queries: [LIST, worse] })).status).toBe(400);
      expect(functions.calls).toEqual([]);
    }
  });

  test("HTTP4 a batch has a bounded number of queries", async () => {
    const { post } = backend({ queriesPerBatch: 2 });
    expect((await post("/api/query_batch", { queries: [LIST, LIST] })).status).toBe(200);
    expect((await post("/api/query_batch", { queries: [LIST, LIST, LIST] })).status).toBe(400);
    expect(await (await post("/api/query_batch", { queries: [] })).text()).toBe(`{"results":[]}`);
  });
});

describe("who is calling", () => {
  test.each([
    ["H24 a token that is no JWT", "Bearer garbage", 401, "InvalidAuthHeader"],
    ["H25 another scheme", "Basic eA==", 400, "InvalidAdminKey"],
    ["H26 a bad key", "Convex bad", 401, "BadAdminKey"],
    ["a bad key with a good name", `${ADMIN.authorization.slice(0, -1)}g`, 401, "BadAdminKey"],
    ["a short header", "Convex", 400, "InvalidHeaderFailure"],
    ["a bad acting-as part", `${ADMIN.authorization}:%%`, 400, "HeaderParseFailure"],
  ])("AUTH6 %s is refused and nothing runs", async (_name, authorization, status, code) => {
    for (const endpoint of ["/api/query", "/api/mutation", "/api/action", "/api/function", "/api/run/messages/list"]) {
      const { functions, post } = backend();
      const response = await post(endpoint, LIST, { authorization });
      expect([endpoint, response.status]).toEqual([endpoint, status]);
      expect(await response.json()).toMatchObject({ code });
      expect(functions.calls).toEqual([]);
    }
  });

  test.each(["/api/query", "/api/mutation", "/api/action", "/api/run/messages/list"])(
    "P-R-9 H12 %s lets an admin, and nobody else, see internal functions",
    async (endpoint) => {
      const { functions, post } = backend();
      await post(endpoint, LIST);
      await post(endpoint, LIST, ADMIN);
      await post(`${endpoint}?adminKey=${encodeURIComponent(ADMIN_KEY)}`, LIST);
      expect(functions.calls.map(({ call }) => call.visibility)).toEqual(["public", "internal", "internal"]);
      expect(functions.calls[2]?.call.identity).toEqual({ kind: "admin", readOnly: false, actingAs: null });
    },
  );

  test("AUTH7 H27 an admin acts as a user", async () => {
    const { functions, post } = backend();
    const identity = Buffer.from(JSON.stringify({ issuer: "i", subject: "é" })).toString("base64");
    await post("/api/query", LIST, { authorization: `${ADMIN.authorization}:${identity}` });
    expect(functions.calls[0]?.call.identity).toEqual({
      kind: "admin",
      readOnly: false,
      actingAs: { issuer: "i", subject: "é", tokenIdentifier: "i|é" },
    });
  });

  test("E-G-1 H21 /api/function is for admins", async () => {
    const { functions, post } = backend();
    const response = await post("/api/function", LIST);
    expect(response.status).toBe(403);
    expect(await response.json()).toEqual({
      code: "BadDeployKey",
      message: "The provided admin key was invalid for this instance",
    });
    expect(functions.calls).toEqual([]);
  });

  test("HTTP5 /api/function and /api/run look at the credentials before the path", async () => {
    const { post } = backend();
    expect((await post("/api/function", { path: "a:!", args: {} })).status).toBe(403);
    expect((await post("/api/function", { path: "a:!", args: {} }, ADMIN)).status).toBe(400);
    expect((await post("/api/run/a/!", { args: {} }, { authorization: "Convex bad" })).status).toBe(401);
    expect((await post("/api/query", { path: "a:!", args: {} }, { authorization: "Convex bad" })).status).toBe(400);
  });

  test("P-R-9 /api/function reaches components", async () => {
    const { functions, post } = backend();
    await post("/api/function", { ...LIST, componentPath: "a/b" }, ADMIN);
    await post("/api/function", { ...LIST, componentPath: null }, ADMIN);
    await post("/api/query", { ...LIST, componentPath: "a/b" });
    expect(functions.calls.map(({ call }) => call.path.component)).toEqual(["a/b", "", ""]);
  });

  test("KEY5 a read-only key runs queries, internal ones included, and nothing that writes", async () => {
    const { functions, post } = backend();
    const headers = { authorization: `Convex ${READ_ONLY_KEY}` };
    expect((await post("/api/query", LIST, headers)).status).toBe(200);
    for (const endpoint of ["/api/mutation", "/api/action", "/api/update_environment_variables"]) {
      const response = await post(endpoint, { ...LIST, changes: [] }, headers);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: "OperationNotPermitted" });
    }
    expect(functions.calls).toHaveLength(1);
  });

  test("AUTH8 system functions are for admins: others may not call them as actions, and find none otherwise", async () => {
    const { functions, post } = backend();
    const system = { path: "_system/cli/queryImport:list", args: {} };
    const response = await post("/api/action", system);
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: "SystemIdentityRequired" });
    expect(functions.calls).toEqual([]);
    for (const endpoint of ["/api/query", "/api/mutation"]) {
      expect((await post(endpoint, system)).status).toBe(200);
      expect(functions.calls.at(-1)?.call).toMatchObject({ visibility: "public", identity: { kind: "none" } });
    }
    expect((await post("/api/query", system, ADMIN)).status).toBe(200);
  });
});

describe("the request around the call", () => {
  test("P-F-18 a client's request id is adopted, in errors too", async () => {
    const { functions, post } = backend();
    functions.outcome = { ok: false, error: { message: "Uncaught Error: no\n" }, logLines: [] };
    const response = await post("/api/query", LIST, { "convex-request-id": "mine-1" });
    expect(await response.json()).toMatchObject({
      errorMessage: "[Request ID: mine-1] Server Error\nUncaught Error: no\n",
    });
    expect(functions.calls[0]?.call.context.requestId).toBe("mine-1");
  });

  test.each(["a b", "x".repeat(129), "é"])("P-F-18 a request id like %j is replaced", async (id) => {
    const { functions, post } = backend();
    await post("/api/query", LIST, { "convex-request-id": id });
    expect(functions.calls[0]?.call.context.requestId).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each([
    [{ "cf-connecting-ip": "1.2.3.4", "x-forwarded-for": "5.6.7.8" }, "1.2.3.4"],
    [{ "x-forwarded-for": " 5.6.7.8 , 9.9.9.9" }, "5.6.7.8"],
    [{ "x-forwarded-for": "" }, null],
    [{}, null],
  ])("HTTP6 the address of %j is %j", async (headers, ip) => {
    const { functions, post } = backend();
    await post("/api/query", LIST, { ...headers, "user-agent": "curl/8" });
    expect(functions.calls[0]?.call.context).toMatchObject({ ip, userAgent: "curl/8" });
  });

  test("HTTP7 a query or mutation that takes too long is a bare 408, an action is waited for", async () => {
    const { functions, post } = backend({ requestTimeoutMs: 5 });
    const gate = Promise.withResolvers<void>();
    functions.gate = gate.promise;
    for (const endpoint of ["/api/query", "/api/mutation"]) {
      const response = await post(endpoint, LIST);
      expect(response.status).toBe(408);
      expect(await response.text()).toBe("");
    }
    const action = post("/api/action", LIST);
    const any = post("/api/function", LIST, ADMIN);
    // The query's limit runs out first, and only then do the actions end.
    expect((await post("/api/query", LIST)).status).toBe(408);
    gate.resolve();
    expect((await action).status).toBe(200);
    expect((await any).status).toBe(200);
  });

  test("HTTP8 work with effects outlives the client's connection, a query does not", async () => {
    const { app, functions } = backend();
    const kept: Promise<unknown>[] = [];
    for (const endpoint of ["query", "mutation", "action", "run/messages/list"]) {
      await app.request(
        `/api/${endpoint}`,
        { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(LIST) },
        { keepAlive: (work) => void kept.push(work) },
      );
    }
    expect(functions.calls).toHaveLength(4);
    expect(kept).toHaveLength(3);
    functions.failure = new CodedError("Overloaded", "Overloaded", "later");
    await Promise.all(kept);
  });
});
