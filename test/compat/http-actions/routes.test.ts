import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { FIXTURES } from "../../support/paths.ts";

let app: AppCopy;
let backend: TestBackend;
let log: FunctionLog;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "http-actions-app"));
  backend = await startBackend({ app: app.path });
  log = await FunctionLog.open(backend);
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

async function site(path: string, init?: RequestInit): Promise<[status: number, body: string]> {
  const response = await fetch(`${backend.siteUrl}${path}`, init);
  return [response.status, await response.text()];
}

/** Sent in chunks, without a length. */
function streamed(body: Uint8Array<ArrayBuffer>): RequestInit {
  const init = { method: "POST", body: new Blob([body]).stream(), duplex: "half" };
  return init;
}

async function stored(kind: string): Promise<unknown> {
  const body = JSON.stringify({ path: "events:list", args: { kind } });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${backend.url}/api/query`, { method: "POST", headers, body });
  return ((await response.json()) as { value: unknown }).value;
}

async function store(kind: string): Promise<void> {
  const body = JSON.stringify({ path: "events:store", args: { kind, body: "" } });
  const headers = { "content-type": "application/json", authorization: `Convex ${backend.adminKey}` };
  const response = await fetch(`${backend.url}/api/mutation`, { method: "POST", headers, body });
  expect(await response.json()).toMatchObject({ status: "success" });
}

describe("routes", () => {
  test.each([
    ["/exact", "exact"],
    ["/exact/", "prefix"],
    ["/exact/known", "known"],
    ["/exact/other/deep?q=1", "prefix"],
    ["/exact/longer/x", "longer"],
  ])("P-H-1 X2 %s is answered by the %s route", async (path, name) => {
    expect(await site(path)).toEqual([200, `${name} ${backend.siteUrl}${path}`]);
  });

  test("P-H-1 X9 every method has a handler of its own, and HEAD is answered by GET without a body", async () => {
    for (const method of ["GET", "OPTIONS"]) {
      expect(await site("/method", { method })).toEqual([200, JSON.stringify({ method, body: "" })]);
    }
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      expect(await site("/method", { method, body: "x" })).toEqual([200, JSON.stringify({ method, body: "x" })]);
    }
    expect(await site("/method", { method: "HEAD" })).toEqual([200, ""]);
    expect((await site("/method", { method: "PURGE" }))[0]).toBe(405);
  });

  test("P-H-3 X1 the site is another origin than the API; there, /http stands for it", async () => {
    const onApi = await fetch(`${backend.url}/exact`);
    expect(onApi.status).toBe(404);
    const prefixed = await fetch(`${backend.url}/http/exact?a=b`);
    expect(await prefixed.text()).toBe(`exact ${backend.url}/exact?a=b`);
    expect((await fetch(`${backend.siteUrl}/api/query`, { method: "POST" })).status).toBe(404);
  });

  test("P-H-3 a component answers under its prefix and sees the whole path", async () => {
    expect(await site("/child/hello")).toEqual([200, "child /child/hello"]);
    expect(await site("/child/nothing")).toEqual([404, "No matching routes found"]);
    expect(await site("/hello")).toEqual([404, "No matching routes found"]);
  });

  test("P-H-3 with a prefix of the app only what is under it is answered", async () => {
    using prefixed = new ConvexApp({
      "convex/convex.config.ts": `import { defineApp } from "convex/server"; export default defineApp({ httpPrefix: "/app/" });`,
      "convex/http.ts": [
        `import { httpActionGeneric as httpAction, httpRouter } from "convex/server";`,
        `const http = httpRouter();`,
        `http.route({ path: "/x", method: "GET", handler: httpAction(async () => new Response("x")) });`,
        `export default http;`,
      ].join("\n"),
    });
    await using other = await startBackend({ app: prefixed.path });
    expect(await (await fetch(`${other.siteUrl}/app/x`)).text()).toBe("x");
    expect((await fetch(`${other.siteUrl}/x`)).status).toBe(404);
  });

  test("E-D-15 P-H-6 X3 X4 no route, and no http.ts", async () => {
    expect(await site("/nowhere")).toEqual([404, "No matching routes found"]);
    expect(await site("/exact", { method: "POST" })).toEqual([404, "No matching routes found"]);
    using none = new ConvexApp({ "convex/f.ts": "export const x = 1;" });
    await using other = await startBackend({ app: none.path });
    const response = await fetch(`${other.siteUrl}/exact`);
    expect([response.status, await response.text()]).toEqual([
      404,
      "This Convex deployment does not have HTTP actions enabled.",
    ]);
  });

  test("P-H-8 X7 nothing is added for other origins: a preflight is answered only by a route", async () => {
    const headers = { origin: "https://app.test", "access-control-request-method": "POST" };
    const routed = await fetch(`${backend.siteUrl}/answer-only`, { method: "OPTIONS", headers });
    expect(routed.headers.get("access-control-allow-origin")).toBe("https://app.test");
    for (const base of [backend.siteUrl, `${backend.url}/http`]) {
      const unrouted = await fetch(`${base}/exact`, { method: "OPTIONS", headers });
      expect([unrouted.status, unrouted.headers.get("access-control-allow-origin")]).toEqual([404, null]);
      const answered = await fetch(`${base}/exact`, { headers });
      expect([answered.status, answered.headers.get("access-control-allow-origin")]).toEqual([200, null]);
    }
  });
});

describe("requests and responses", () => {
  test("P-H-2 the context is that of actions", async () => {
    const [, body] = await site("/ctx");
    expect(JSON.parse(body)).toEqual(expect.arrayContaining(["auth", "runAction", "runMutation", "runQuery"]));
    expect(JSON.parse(body)).toEqual(expect.arrayContaining(["scheduler", "storage"]));
    expect(JSON.parse(body)).not.toContain("db");
  });

  test("P-F-19 P-H-3 the caller's address and agent are the same on either origin", async () => {
    for (const origin of [backend.siteUrl, `${backend.url}/http`]) {
      const response = await fetch(`${origin}/caller`, { headers: { "user-agent": "agent/1" } });
      expect(await response.json(), origin).toEqual({ ip: "127.0.0.1", userAgent: "agent/1" });
    }
  });

  test("P-H-4 P-H-5 X10 bytes, headers and status go through as they are", async () => {
    const body = Uint8Array.from({ length: 2 ** 20 }, (_, i) => i % 256);
    const response = await fetch(`${backend.siteUrl}/echo`, { method: "POST", body, headers: { "x-asked": "yes" } });
    expect([response.status, response.headers.get("x-seen")]).toEqual([201, "yes"]);
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(body);
  });

  test.each([200, 204, 302, 404, 503, 599])("P-H-5 the status %s is the function's own", async (status) => {
    const [body, headers] = [status === 204 ? null : `{"ok":false}`, { location: "/elsewhere" }];
    const asked = JSON.stringify({ status, statusText: "As Said", body, headers });
    const response = await fetch(`${backend.siteUrl}/status`, { method: "POST", body: asked, redirect: "manual" });
    expect([response.status, response.headers.get("location"), await response.text()]).toEqual([
      status,
      "/elsewhere",
      body ?? "",
    ]);
  });

  test.each(["text", "bytes", "buffer", "view", "blob", "stream", "clone", "copy", "subclass", "fetched"])(
    "P-H-4 a body made as %s arrives whole",
    async (way) => {
      expect(await site(`/made/${way}`)).toEqual([200, "made"]);
    },
  );

  test("P-H-4 so do long ones, and one that was read already breaks off", async () => {
    expect(await site("/made/long")).toEqual([200, "made".repeat(100_000)]);
    expect(await site("/made/longJson")).toEqual([200, JSON.stringify("made".repeat(100_000))]);
    await expect(site("/consumed")).rejects.toThrow();
  });

  test("P-H-4 the type of a body is told as the platform tells it, and an empty body is one", async () => {
    const types = async (path: string) => (await fetch(`${backend.siteUrl}${path}`)).headers.get("content-type");
    expect(await types("/made/text")).toBe("text/plain;charset=UTF-8");
    expect(await types("/made/bytes")).toBe(null);
    expect(await types("/ctx")).toBe("application/json");
    const empty = await fetch(`${backend.siteUrl}/status`, { method: "POST", body: `{"status":200,"body":""}` });
    expect([empty.status, empty.headers.get("content-length"), await empty.text()]).toEqual([200, "0", ""]);
  });

  test("P-H-4 a short blob comes with its length", async () => {
    const response = await fetch(`${backend.siteUrl}/blob`, { headers: { "accept-encoding": "identity" } });
    expect(response.headers.get("content-type")).toBe("text/plain");
    expect(response.headers.get("content-length")).toBe("10");
    expect(await response.text()).toBe("helloworld");
  });

  test("P-H-4 a form with a file", async () => {
    const body = new FormData();
    body.set("name", "n");
    body.set("file", new File(["content"], "f.txt"));
    expect(await site("/form", { method: "POST", body })).toEqual([200, '{"name":"n","file":"content"}']);
  });

  test("P-H-2 functions are called, and what they wrote is there", async () => {
    const [status, body] = await site("/events", { method: "POST", body: "first" });
    expect([status, JSON.parse(body)]).toEqual([200, { events: ["first"], shouted: "FIRST" }]);
    expect(await stored("posted")).toEqual(["first"]);
  });

  test("P-H-4 X5 a body streams: its first chunk is there while the action still runs", async () => {
    const response = await fetch(`${backend.siteUrl}/stream`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (const kind of ["one", "two"]) {
      expect((await reader.read()).value).toBe(`data: ${kind}\n\n`);
      // oxlint-disable-next-line no-await-in-loop -- each chunk waits for the event of the one before
      await store(kind);
    }
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  test("P-H-4 a request body streams too: chunked, without a length", async () => {
    const { hostname, port } = new URL(backend.siteUrl);
    const request = httpRequest({ hostname, port, path: "/echo", method: "POST" });
    for (const part of ["a", "b", "c"]) request.write(part);
    request.end();
    const [response] = (await new Promise((resolve) => request.on("response", (...args) => resolve(args)))) as [
      NodeJS.ReadableStream,
    ];
    expect(await text(response)).toBe("abc");
  });

  test("P-H-4 a request of 20 MiB is taken, and no longer one, with or without a length", async () => {
    const limit = 20 * 1024 * 1024;
    const body = new Uint8Array(limit + 1);
    expect(await site("/length", { method: "POST", body: body.subarray(1) })).toEqual([200, String(limit)]);
    const tooLarge = await site("/length", { method: "POST", body });
    expect([tooLarge[0], JSON.parse(tooLarge[1])]).toEqual([
      413,
      { code: "HttpRequestTooLarge", message: "HTTP actions support requests up to 20 MiB" },
    ]);
    const chunked = await site("/length", streamed(body));
    // The reader sees its stream break off; why does not cross to its isolate.
    expect(chunked).toEqual([500, expect.stringContaining("disconnected prematurely")]);
  });

  test("P-H-9 a client that hangs up stops nothing: the action goes on and runs once", async () => {
    const abort = new AbortController();
    const sent = fetch(`${backend.siteUrl}/patient`, { method: "POST", signal: abort.signal });
    await expect.poll(() => stored("begun"), { timeout: 20_000 }).toEqual(["patient"]);
    abort.abort();
    await expect(sent).rejects.toThrow();
    await store("go on");
    await expect.poll(() => stored("ended"), { timeout: 20_000 }).toEqual(["patient"]);
    expect(await stored("begun")).toEqual(["patient"]);
  });

  test("P-H-9 a client that hangs up on a stream is known by `request.signal`, and what it sets off is done", async () => {
    const { hostname, port } = new URL(backend.siteUrl);
    for (let hungUp = 1; hungUp <= 10; hungUp++) {
      const request = httpRequest({ hostname, port, path: "/until-gone", method: "POST" });
      request.end();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const [response] = (await once(request, "response")) as [IncomingMessage];
      // oxlint-disable-next-line no-await-in-loop
      await once(response, "data");
      request.destroy();
      // oxlint-disable-next-line no-await-in-loop
      await expect.poll(() => stored("gone"), { timeout: 20_000 }).toEqual(Array(hungUp).fill("true"));
    }
    expect(await log.completion("POST /until-gone")).toMatchObject({ udfType: "HttpAction" });
  });

  test("E-F-8 X11 beyond 20 MiB the response is cut short, and the log says so", async () => {
    const [status, body] = await site("/large");
    expect([status, body.length]).toEqual([200, 20 * 1024 * 1024]);
    const text = "HttpResponseTooLarge: HTTP actions support responses up to 20 MiB";
    await log.until((entry) => entry.identifier === "GET /large" && JSON.stringify(entry).includes(text));
  });
});

describe("failures", () => {
  test("P-H-6 P-H-9 X6 an exception is a 500 with its trace, and nothing is tried again", async () => {
    const [status, body] = await site("/throws", { method: "POST", body: "once" });
    expect(status).toBe(500);
    expect(JSON.parse(body)).toEqual({
      code: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught Error: no luck$/),
      trace: expect.stringMatching(/^Uncaught Error: no luck\n {4}at .*\.\.\/convex\/http\.ts:\d+:\d+/),
    });
    expect(await stored("thrown")).toEqual(["once"]);
  });

  test("P-H-6 a ConvexError shows its data", async () => {
    const [status, body] = await site("/refuses");
    expect([status, JSON.parse(body).data]).toEqual([500, { reason: "closed", until: { $integer: "BwAAAAAAAAA=" } }]);
  });

  test("P-H-6 in production mode only the request id and the data", async () => {
    await using other = await startBackend({ app: app.path, env: { CONVECTION_REDACT_ERRORS: "true" } });
    const response = await fetch(`${other.siteUrl}/refuses`);
    expect(await response.json()).toEqual({
      code: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error$/),
      data: { reason: "closed", until: { $integer: "BwAAAAAAAAA=" } },
    });
  });

  test("E-D-13 an answer that is no Response", async () => {
    const [status, body] = await site("/text");
    expect([status, JSON.parse(body).code]).toEqual([
      500,
      expect.stringContaining("Uncaught Error: HTTP actions must return a Response"),
    ]);
  });

  test("P-H-6 a body that breaks off after its head ends the connection", async () => {
    const read = fetch(`${backend.siteUrl}/broken-stream`).then((response) => response.text());
    await expect(read).rejects.toThrow();
  });

  test("P-H-7 X8 a key that is refused refuses the identity, not the request", async () => {
    const none = await site("/identity");
    expect(JSON.parse(none[1])).toEqual({ seen: null, subject: null });
    const bad = await site("/identity", { headers: { authorization: "Convex nonsense" } });
    expect([bad[0], JSON.parse(bad[1])]).toEqual([200, { seen: null, refused: expect.any(String) }]);
  });
});

test("P-H-6 E-C-1 an HTTP action ends with its time, before its head and after", async () => {
  await using other = await startBackend({ app: app.path, env: { CONVECTION_ACTION_TIMEOUT_MS: "1000" } });
  const silent = await fetch(`${other.siteUrl}/patient`, { method: "POST" });
  expect([silent.status, await silent.text()]).toEqual([500, expect.stringContaining("Function execution timed out")]);
  const begun = await fetch(`${other.siteUrl}/stream`);
  expect(begun.status).toBe(200);
  await expect(begun.text()).rejects.toThrow();
});

test("P-H-6 L5 a request without a route is in the function log", async () => {
  await site("/nope");
  expect(await log.completion("GET /nope")).toMatchObject({ udfType: "HttpAction", success: { status: "404" } });
});

test("P-H-2 the function log names method and route, status and lines", async () => {
  await site("/events", { method: "POST", body: "logged" });
  await site("/exact/some/where");
  await log.until((entry) => entry.identifier === "POST /events" && /'stored'.*'logged'/.test(JSON.stringify(entry)));
  expect(await log.completion("GET /exact/*")).toMatchObject({ udfType: "HttpAction", success: { status: "200" } });
});

test("P-H-9 a request whose body breaks off begins nothing", async () => {
  const before = (await stored("thrown")) as string[];
  const { hostname, port } = new URL(backend.siteUrl);
  const headers = { "content-length": "10" };
  const request = httpRequest({ hostname, port, path: "/throws", method: "POST", headers });
  request.on("error", () => undefined);
  await new Promise((resolve) => request.write("short", resolve));
  request.destroy();
  await new Promise((resolve) => request.on("close", resolve));
  await site("/throws", { method: "POST", body: "behind it" });
  expect(((await stored("thrown")) as string[]).toSorted()).toEqual(["behind it", ...before].toSorted());
});
