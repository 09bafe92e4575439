import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { ConvexError, type Value } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";

const APP = join(import.meta.dirname, "../fixtures/http-api");

const functions = {
  list: makeFunctionReference<"query">("messages:list"),
  page: makeFunctionReference<"query">("messages:page"),
  send: makeFunctionReference<"mutation">("messages:send"),
  fail: makeFunctionReference<"mutation">("messages:fail"),
  failCvx: makeFunctionReference<"mutation">("messages:failCvx"),
  echo: makeFunctionReference<"query">("values:echo"),
  echoAction: makeFunctionReference<"action">("act:echo"),
};

/** `wire.md` §8.1, H1–H40, against a running backend. */

let backend: TestBackend;

beforeAll(async () => {
  backend = await startBackend({ app: APP });
});

afterAll(() => backend?.stop());

function request(path: string, init?: RequestInit, to: TestBackend = backend): Promise<Response> {
  return fetch(`${to.url.replace(/\/$/, "")}${path}`, init);
}

function post(path: string, body: unknown, headers: Record<string, string> = {}, to?: TestBackend): Promise<Response> {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
  return request(path, init, to);
}

function admin(): { authorization: string } {
  return { authorization: `Convex ${backend.adminKey}` };
}

/** Tests share the backend and must not see each other's messages. */
let channels = 0;
function channel(): string {
  return `channel ${++channels}`;
}

async function send(to: string, body: string): Promise<void> {
  const response = await post("/api/mutation", { path: "messages:send", args: { channel: to, body } });
  expect(await response.json()).toEqual({ status: "success", value: expect.any(String) });
}

function list(of: string): Promise<Response> {
  return post("/api/query", { path: "messages:list", args: { channel: of }, format: "json" });
}

async function latestTs(): Promise<string> {
  const response = await request("/api/query_ts", { method: "POST" });
  expect(response.status).toBe(200);
  const { ts }: { ts: string } = await response.json();
  return ts;
}

function nanoseconds(ts: string): bigint {
  return Buffer.from(ts, "base64").readBigUInt64LE();
}

async function runAny(path: string, args: object): Promise<unknown> {
  return (await post("/api/function", { path, args, format: "json" }, admin())).json();
}

async function pollLogs(cursor: number): Promise<{ entries: { identifier: string }[]; newCursor: number }> {
  return (await request(`/api/stream_function_logs?cursor=${cursor}`, { headers: admin() })).json();
}

function client(): ConvexHttpClient {
  return new ConvexHttpClient(backend.url, { skipConvexDeploymentUrlCheck: true, logger: false });
}

const SERVER_ERROR = /^\[Request ID: [0-9a-f]{16}\] Server Error\n/;

describe("results", () => {
  test("P-R-9 H1 a query answers clean JSON without empty log lines", async () => {
    const a = channel();
    await send(a, "hi");
    const response = await list(a);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(`{"status":"success","value":["hi"]}`);
  });

  test("S1-26 H2 the argument object may stand in an array", async () => {
    const a = channel();
    await send(a, "hi");
    const response = await post("/api/query", { path: "messages:list", args: [{ channel: a }], format: "json" });
    expect(await response.text()).toBe(await (await list(a)).text());
  });

  test("P-R-9 H3 encoded JSON wraps what JSON lacks and nothing else", async () => {
    const response = await post("/api/query", { path: "values:special", args: {}, format: "convex_encoded_json" });
    expect(await response.json()).toEqual({
      status: "success",
      value: {
        a: { $integer: "AQAAAAAAAAA=" },
        b: { $float: "AAAAAAAAAIA=" },
        c: { $float: "AAAAAAAA+H8=" },
        d: { $bytes: "aGk=" },
        e: 1.5,
      },
    });
  });

  test.each([{ format: "json" }, {}])("P-R-9 H4 H6 clean JSON by %j", async (format) => {
    const response = await post("/api/query", { path: "values:special", args: {}, ...format });
    const body = await response.json();
    expect(body).toEqual({ status: "success", value: { a: "1", b: -0, c: "NaN", d: "aGk=", e: 1.5 } });
  });

  test("E-B-14 H5 an unknown format is refused before the mutation writes", async () => {
    const a = channel();
    const args = { channel: a, body: "never seen" };
    const response = await post("/api/mutation", { path: "messages:send", args, format: "yaml" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadFormat" });
    expect(await (await list(a)).json()).toEqual({ status: "success", value: [] });
  });

  test("P-R-9 H17 log lines carry their level and quote strings", async () => {
    const response = await post("/api/query", { path: "log:all", args: {} });
    expect(await response.json()).toEqual({
      status: "success",
      value: null,
      logLines: ["[LOG] 'a' 1", "[DEBUG] 'b'", "[INFO] 'c'", "[WARN] 'd'", "[ERROR] 'e'"],
    });
  });
});

describe("requests that are refused", () => {
  test("E-B-13 H7 no Content-Type", async () => {
    const body = new TextEncoder().encode(JSON.stringify({ path: "messages:list", args: { channel: "a" } }));
    const response = await request("/api/query", { method: "POST", body });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      code: "BadJsonBody",
      message: "Expected request with `Content-Type: application/json`",
    });
  });

  test("P-R-9 H8 no args", async () => {
    const response = await post("/api/query", { path: "messages:list" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
  });

  test("P-R-9 H9 no function path", async () => {
    const response = await post("/api/query", { path: "messages:no-such!", args: {} });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      code: "BadConvexFunctionIdentifier",
      message: expect.stringMatching(/^messages:no-such! is not a valid path to a Convex function\. /),
    });
  });

  test("E-A-3b H20 /api/run without a function", async () => {
    const response = await post("/api/run/messages", { args: {} });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "MissingIdentifier" });
  });

  test("P-R-9 H38 a body of 17 MiB", async () => {
    const args = { value: "x".repeat(17 * 1024 * 1024) };
    const response = await post("/api/query", { path: "values:echo", args });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
  });
});

describe("functions that fail", () => {
  test("E-A-1 H10 H11 an unknown and an internal function cannot be told apart", async () => {
    for (const path of ["messages:nope", "secret:get"]) {
      const response = await post("/api/query", { path, args: {} });
      expect(response.status).toBe(200);
      const body: { status: string; errorMessage: string } = await response.json();
      expect(body.status).toBe("error");
      expect(body.errorMessage).toMatch(SERVER_ERROR);
      expect(body.errorMessage.replace(SERVER_ERROR, "")).toBe(
        `Could not find public function for '${path}'. Did you forget to run \`npx convex dev\`?\n`,
      );
    }
  });

  test("E-A-3 H13 a mutation called as a query", async () => {
    const response = await post("/api/query", { path: "messages:send", args: { channel: "a", body: "b" } });
    expect(await response.json()).toMatchObject({
      status: "error",
      errorMessage: expect.stringContaining(
        "Trying to execute messages.js:send as Query, but it is defined as Mutation.",
      ),
    });
  });

  test("E-B-3 H14 an argument of the wrong type", async () => {
    const response = await post("/api/query", { path: "messages:list", args: { channel: 1 } });
    const body: { errorMessage: string } = await response.json();
    expect(body.errorMessage).toContain("ArgumentValidationError: Value does not match validator.");
    expect(body.errorMessage).toContain("Path: .channel");
  });

  test("P-R-9 H15 a ConvexError brings its data and undoes its writes", async () => {
    const a = channel();
    const response = await post("/api/mutation", { path: "messages:failCvx", args: { channel: a } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: "error", errorData: { code: 1 } });
    expect(await (await list(a)).json()).toEqual({ status: "success", value: [] });
  });

  test("P-R-9 H16 a ConvexError of null", async () => {
    const response = await post("/api/query", { path: "messages:failNull", args: {} });
    expect(await response.json()).toHaveProperty("errorData", null);
  });

  test("P-F-17 in development message, frames and log lines come back", async () => {
    const response = await post("/api/mutation", { path: "messages:fail", args: {} });
    const body: { errorMessage: string; logLines: string[] } = await response.json();
    expect(body.errorMessage).toMatch(SERVER_ERROR);
    expect(body.errorMessage).toMatch(
      /\nUncaught Error: a plain error\n(    at .*\(\.\.\/convex\/messages\.ts:\d+:\d+\)\n)+$/,
    );
    expect(body.logLines).toEqual(["[LOG] 'about to fail'"]);
  });

  test("P-F-17 H18 in production they do not, but errorData does", async () => {
    await using redacted = await startBackend({ app: APP, env: { CONVECTION_REDACT_ERRORS: "true" } });
    const plain = await post("/api/mutation", { path: "messages:fail", args: {} }, {}, redacted);
    expect(await plain.json()).toEqual({
      status: "error",
      errorMessage: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error$/),
    });
    const withData = await post("/api/mutation", { path: "messages:failCvx", args: { channel: "a" } }, {}, redacted);
    expect(await withData.json()).toMatchObject({ errorData: { code: 1 } });
  });

  test("P-F-18 a client's request id is in the error text", async () => {
    const headers = { "convex-request-id": "feedfacefeedface" };
    const response = await post("/api/mutation", { path: "messages:fail", args: {} }, headers);
    expect(await response.json()).toMatchObject({
      errorMessage: expect.stringMatching(/^\[Request ID: feedfacefeedface\] Server Error\n/),
    });
  });
});

describe("by name", () => {
  test("S4-22 H19 /api/run/<module>/<function> is the same call", async () => {
    const a = channel();
    await send(a, "hi");
    const response = await post("/api/run/messages/list", { args: { channel: a } });
    expect(await response.text()).toBe(await (await list(a)).text());
  });

  test("E-G-1 H21 /api/function is for admins", async () => {
    const response = await post("/api/function", { path: "messages:list", args: { channel: "a" } });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: "BadDeployKey" });
  });

  test("S1-20 H22 /api/function runs each function by its own type", async () => {
    const a = channel();
    expect(await runAny("messages:send", { channel: a, body: "hi" })).toMatchObject({ status: "success" });
    expect(await runAny("messages:list", { channel: a })).toEqual({ status: "success", value: ["hi"] });
    expect(await runAny("act:echo", { value: 1 })).toEqual({ status: "success", value: 1 });
    expect(await runAny("secret:get", {})).toEqual({ status: "success", value: "the secret" });
  });

  test("P-R-9 H23 /api/function says what it could not find, as `convex run` expects", async () => {
    for (const path of ["messages:nope", "nope:nope"]) {
      const response = await post("/api/function", { path, args: {} }, admin());
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({
        status: "error",
        errorMessage: expect.stringContaining(`Could not find function for '${path}'`),
      });
    }
  });
});

describe("who is calling", () => {
  const secret = { path: "secret:get", args: {} };

  test("P-R-9 H12 H28 an admin reaches internal functions, by header and by query string", async () => {
    const success = { status: "success", value: "the secret" };
    expect(await (await post("/api/query", secret, admin())).json()).toEqual(success);
    const query = `?adminKey=${encodeURIComponent(backend.adminKey)}`;
    expect(await (await post(`/api/query${query}`, secret)).json()).toEqual(success);
  });

  test.each([
    ["H24", "Bearer garbage", 401, "InvalidAuthHeader"],
    ["H25", "Basic eA==", 400, "InvalidAdminKey"],
    ["H26", "Convex bad", 401, "BadAdminKey"],
  ])("AUTH6 %s %s is refused and nothing runs", async (_case, authorization, status, code) => {
    const a = channel();
    const args = { channel: a, body: "never seen" };
    const response = await post("/api/mutation", { path: "messages:send", args }, { authorization });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
    expect(await (await list(a)).json()).toEqual({ status: "success", value: [] });
  });

  test("AUTH7 H27 an admin acts as a user", async () => {
    const identity = Buffer.from(JSON.stringify({ issuer: "i", subject: "é" })).toString("base64");
    const headers = { authorization: `Convex ${backend.adminKey}:${identity}` };
    const response = await post("/api/query", { path: "whoami:get", args: {} }, headers);
    expect(await response.json()).toEqual({
      status: "success",
      value: { issuer: "i", subject: "é", tokenIdentifier: "i|é" },
    });
    const plain = await post("/api/query", { path: "whoami:get", args: {} }, admin());
    expect(await plain.json()).toEqual({ status: "success", value: null });
  });

  test("VER3 H29 H30 H31 old clients are refused or warned", async () => {
    const call = { path: "messages:list", args: { channel: "a" } };
    const old = await post("/api/query", call, { "convex-client": "npm-0.19.0" });
    expect(old.status).toBe(400);
    expect(await old.json()).toMatchObject({ code: "ClientVersionUnsupported" });
    expect(old.headers.get("x-convex-deprecation-state")).toBe("Unsupported");
    expect(old.headers.get("x-convex-deprecation-message")).not.toBeNull();
    const deprecated = await post("/api/query", call, { "convex-client": "python-0.1.9" });
    expect(deprecated.status).toBe(200);
    expect(deprecated.headers.get("x-convex-deprecation-state")).toBe("UpgradeRequired");
    const unreadable = await post("/api/query", call, { "convex-client": "foo" });
    expect(unreadable.status).toBe(400);
    expect(await unreadable.json()).toMatchObject({ code: "InvalidClientVersion" });
  });
});

describe("from a browser", () => {
  const origin = "https://app.example";

  test("CORS1 H32 the preflight of a call", async () => {
    const asked = "convex-client,authorization,content-type";
    const response = await request("/api/mutation", {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": asked },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    expect(response.headers.get("access-control-allow-credentials")).toBe("true");
    expect(response.headers.get("access-control-allow-headers")).toBe(asked);
    expect(response.headers.get("access-control-max-age")).toBe("86400");
  });

  test("CORS2 H33 an error can be read by the page", async () => {
    const response = await post(
      "/api/query",
      { path: "messages:list", args: { channel: "a" } },
      { origin, authorization: "Bearer garbage" },
    );
    expect(response.status).toBe(401);
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    expect(response.headers.get("access-control-allow-credentials")).toBe("true");
  });
});

describe("timestamps", () => {
  test("P-R-9 H34 query_ts is eight bytes and not older than the last commit", async () => {
    const before = await latestTs();
    expect(before).toHaveLength(12);
    await send(channel(), "hi");
    const after = await latestTs();
    expect(nanoseconds(after)).toBeGreaterThan(nanoseconds(before));
  });

  test("P-R-9 H35 query_at_ts sees the state of then", async () => {
    const a = channel();
    await send(a, "first");
    const ts = await latestTs();
    await send(a, "second");
    const call = { path: "messages:list", args: { channel: a } };
    expect(await (await post("/api/query_at_ts", { ...call, ts })).json()).toMatchObject({ value: ["first"] });
    expect(await (await list(a)).json()).toMatchObject({ value: ["first", "second"] });
  });

  test("P-R-9 a batch of queries answers in order", async () => {
    const a = channel();
    await send(a, "hi");
    const queries = [
      { path: "messages:list", args: { channel: a } },
      { path: "messages:nope", args: {} },
      { path: "values:echo", args: { value: 2 } },
    ];
    expect(await (await post("/api/query_batch", { queries })).json()).toMatchObject({
      results: [{ status: "success", value: ["hi"] }, { status: "error" }, { status: "success", value: 2 }],
    });
  });
});

describe("ConvexHttpClient", () => {
  test("P-R-9 H36 queues its mutations itself: the second request starts after the first answer", async () => {
    const events: string[] = [];
    const queued = new ConvexHttpClient(backend.url, {
      skipConvexDeploymentUrlCheck: true,
      fetch: async (input, init) => {
        events.push("request");
        const response = await fetch(input, init);
        events.push("answer");
        return response;
      },
    });
    const a = channel();
    await Promise.all(["1", "2"].map((body) => queued.mutation(functions.send, { channel: a, body })));
    expect(events).toEqual(["request", "answer", "request", "answer"]);
    expect(await queued.query(functions.list, { channel: a })).toEqual(["1", "2"]);
  });

  const values: Value[] = [
    null,
    true,
    0,
    -0,
    1.5,
    -1e300,
    NaN,
    Infinity,
    -Infinity,
    0n,
    -(2n ** 63n),
    2n ** 63n - 1n,
    "",
    'é𝄞\u0000\n"\\',
    new ArrayBuffer(0),
    new Uint8Array([0, 1, 254, 255]).buffer,
    [],
    [1, [2n, [null]]],
    {},
    { a: { b: [{ c: -0 }] }, "a b": 1 },
  ];
  test.each(values)("P-R-9 H37 %o survives the round trip through a query and an action", async (value) => {
    const http = client();
    const fromQuery: unknown = await http.query(functions.echo, { value });
    expect(fromQuery).toStrictEqual(value);
    const fromAction: unknown = await http.action(functions.echoAction, { value });
    expect(fromAction).toStrictEqual(value);
  });

  test("P-R-9 throws what the function threw", async () => {
    const http = client();
    const failed = http.mutation(functions.failCvx, { channel: channel() });
    await expect(failed).rejects.toBeInstanceOf(ConvexError);
    await expect(failed).rejects.toMatchObject({ data: { code: 1 } });
    await expect(http.mutation(functions.fail, {})).rejects.toThrow("Uncaught Error: a plain error");
  });

  test("P-R-9 consistentQuery asks twice at one timestamp", async () => {
    const a = channel();
    const http = client();
    await send(a, "first");
    expect(await http.consistentQuery(functions.list, { channel: a })).toEqual(["first"]);
    await send(a, "second");
    expect(await http.consistentQuery(functions.list, { channel: a })).toEqual(["first"]);
    expect(await http.query(functions.list, { channel: a })).toEqual(["first", "second"]);
  });

  test("P-R-9 pages through a result", async () => {
    const a = channel();
    for (const body of ["1", "2", "3"]) await send(a, body);
    const http = client();
    const first = await http.query(functions.page, { channel: a, paginationOpts: { numItems: 2, cursor: null } });
    expect(first).toMatchObject({ isDone: false, page: [{ body: "1" }, { body: "2" }] });
    const rest = { numItems: 2, cursor: first.continueCursor };
    const second = await http.query(functions.page, { channel: a, paginationOpts: rest });
    expect(second).toMatchObject({ isDone: true, page: [{ body: "3" }] });
  });

  test("HTTP15 works with a trailing slash in the URL", async () => {
    const http = new ConvexHttpClient(`${backend.url.replace(/\/$/, "")}/`, { skipConvexDeploymentUrlCheck: true });
    expect(await http.query(functions.echo, { value: 1 })).toBe(1);
  });
});

describe("the instance", () => {
  test("HTTP13 H39 tells its name", async () => {
    const response = await request("/instance_name");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(backend.adminKey.split("|")[0]);
  });

  test("HTTP13 H40 echoes a megabyte", async () => {
    const bytes = Buffer.alloc(1024 * 1024).map((_: unknown, i: number) => (i * 2_654_435_761) >>> 24);
    const response = await request("/echo", { method: "POST", body: new Uint8Array(bytes) });
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test("KEY6 knows its admins", async () => {
    const response = await request("/api/check_admin_key", { headers: admin() });
    expect(await response.json()).toEqual({ success: true, allowedOps: [], isReadOnly: false });
    expect((await request("/api/check_admin_key", { headers: { authorization: "Convex bad" } })).status).toBe(401);
  });

  test("LOG2 an execution over HTTP reaches a waiting log poll", async () => {
    const { newCursor } = await pollLogs(0);
    const waiting = pollLogs(newCursor);
    await post("/api/query", { path: "log:all", args: {} });
    expect((await waiting).entries).toMatchObject([{ identifier: "log:all", udfType: "Query", error: null }]);
  });

  test.each(["/", "/hello"])("P-R-9 the site origin has no HTTP actions yet: %s", async (path) => {
    const response = await fetch(new URL(path, backend.siteUrl));
    expect(response.status).toBe(404);
    expect(await response.text()).toBe("This Convex deployment does not have HTTP actions enabled.");
  });
});
