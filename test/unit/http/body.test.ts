import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backend } from "./backend.ts";

const JSON_TYPE = { "content-type": "application/json" };
const CALL = JSON.stringify({ path: "m:f", args: {} });

function stream(chunks: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

/** A call of exactly this many bytes. */
function filler(length: number): string {
  return `{"path":"m:f","args":{"a":"${"x".repeat(length - 30)}"}}`;
}

async function post(body: BodyInit, headers: Record<string, string> = JSON_TYPE, limit?: number) {
  const { request } = backend(limit === undefined ? {} : { functionBodyBytes: limit });
  const init = { method: "POST", headers, body, duplex: "half" };
  return request("/api/query", init);
}

describe("request bodies", () => {
  test.each([
    ["application/json", 200],
    ["Application/JSON; charset=utf-8", 200],
    ["application/vnd.api+json", 200],
    ["text/plain", 400],
    ["application/jsonp", 400],
    ["application/+json", 400],
    ["", 400],
  ])("E-B-13 H7 Content-Type %j: %i", async (type, status) => {
    const response = await post(new TextEncoder().encode(CALL), type === "" ? {} : { "content-type": type });
    expect(response.status).toBe(status);
    if (status === 400) {
      expect(await response.json()).toEqual({
        code: "BadJsonBody",
        message: "Expected request with `Content-Type: application/json`",
      });
    }
  });

  const bad: [name: string, body: BodyInit][] = [
    ["no body", ""],
    ["no JSON", "{"],
    ["two values", "{} {}"],
    ["no UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)],
    ["UTF-8 that is cut off", Uint8Array.of(0x22, 0xe2, 0x82)],
    ["a million open arrays", "[".repeat(1_000_000)],
    ["a million open objects", `{"a":`.repeat(1_000_000)],
    ["arguments nested too deep", `{"path":"m:f","args":{"a":${"[".repeat(128)}${"]".repeat(128)}}}`],
    ["a string that never ends", `"${"a".repeat(1000)}`],
    ["a backslash at the end", `"\\`],
  ];
  test.each(bad)("HTTP9 %s is a 400", async (_name, body) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ code: "BadJsonBody", message: expect.stringMatching(/./) });
  });

  test("HTTP9 brackets inside strings are no nesting", async () => {
    const text = `${"[{".repeat(1000)}\\"[[[`;
    expect((await post(`{"path":"m:f","args":{"a":"${text}"}}`)).status).toBe(200);
    expect((await post(`{"path":"m:f","args":{"a":${"[".repeat(64)}${"]".repeat(64)}}}`)).status).toBe(200);
  });

  test("HTTP10 H38 a body has a bound, with a length and without", async () => {
    const limit = 1000;
    expect(filler(limit)).toHaveLength(limit);
    expect((await post(filler(limit), JSON_TYPE, limit)).status).toBe(200);
    expect((await post(filler(limit + 1), JSON_TYPE, limit)).status).toBe(400);
    expect((await post("{}", { ...JSON_TYPE, "content-length": "1001" }, limit)).status).toBe(400);

    let pulled = 0;
    function* endless() {
      for (;;) {
        pulled++;
        yield new Uint8Array(65_536).fill(0x20);
      }
    }
    const response = await post(stream(endless()), JSON_TYPE, limit);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
    // What a refused body goes on sending is dropped for 32 MiB, then the connection.
    expect(pulled).toBeLessThan((32 * 1024 * 1024) / 65_536 + 5);
  });

  test("HTTP10 the bound is 2^24 + 2000 bytes", async () => {
    expect((await post(`{"path":"m:f","args":{"a":"${"x".repeat(2 ** 24)}"}}`)).status).toBe(200);
    expect((await post(`{"path":"m:f","args":{"a":"${"x".repeat(2 ** 24 + 2000)}"}}`)).status).toBe(400);
  });

  test("HTTP11 a body that breaks off is the client's failure", async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error("connection lost"));
      },
    });
    expect((await post(broken)).status).toBe(408);
  });
});

describe("anything at all", () => {
  const ENDPOINTS = [
    "/api/query",
    "/api/mutation",
    "/api/action",
    "/api/function",
    "/api/query_at_ts",
    "/api/query_batch",
    "/api/run/m/f",
    "/api/update_environment_variables",
    "/api/deploy2/start_push",
    "/api/get_config_hashes",
  ];
  const seed = Number(process.env["SEED"] ?? Date.now());

  /** Bodies that look right in places: the known fields, with any value. */
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => new TextEncoder().encode(text)),
    fc
      .record(
        {
          path: fc.oneof(fc.constant("m:f"), fc.string({ unit: "binary" }), fc.jsonValue()),
          args: fc.oneof(fc.constant({}), fc.jsonValue()),
          format: fc.oneof(fc.constantFrom("json", "yaml", "__proto__"), fc.jsonValue()),
          ts: fc.oneof(fc.constant("AAAAAAAAAAA="), fc.string(), fc.jsonValue()),
          queries: fc.oneof(fc.array(fc.record({ path: fc.string(), args: fc.jsonValue() })), fc.jsonValue()),
          changes: fc.jsonValue(),
          adminKey: fc.oneof(fc.string(), fc.jsonValue()),
          componentPath: fc.jsonValue(),
        },
        { requiredKeys: [] },
      )
      .map((json) => new TextEncoder().encode(JSON.stringify(json))),
  );
  const headers = fc.record(
    {
      authorization: fc.oneof(
        fc.constantFrom("Bearer a.b.c", "Convex a|b", "Basic x"),
        fc.string().map((text) => `Convex a|b:${text}`),
        fc.string().map((text) => `Bearer ${text}`),
      ),
      "content-encoding": fc.constantFrom("br", "gzip", "identity"),
      "convex-client": fc.oneof(fc.constantFrom("npm-1.48.0", "npm-x", "-"), fc.string()),
      "convex-request-id": fc.string(),
      origin: fc.string(),
    },
    { requiredKeys: [] },
  );

  test(`HTTP12 is answered, and never with a 500 (seed ${seed})`, async () => {
    const { functions, log, request } = backend();
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ENDPOINTS), body, headers, async (endpoint, bytes, extra) => {
        // What a header cannot hold never reaches a server.
        const sendable = Object.entries(extra).filter(([, value]) =>
          /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value),
        );
        const response = await request(endpoint, {
          method: "POST",
          headers: { ...JSON_TYPE, ...Object.fromEntries(sendable) },
          body: bytes,
        });
        expect(response.status).toBeLessThan(500);
        if (response.status !== 200) {
          expect(await response.json()).toEqual({ code: expect.any(String), message: expect.any(String) });
        }
      }),
      { seed, numRuns: 2000 },
    );
    expect(log.errors).toEqual([]);
    expect(functions.calls.length).toBeGreaterThan(0);
  });
});
