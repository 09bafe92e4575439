import { describe, expect, test } from "vitest";
import { backend } from "./backend.ts";

const ORIGIN = { origin: "https://app.example" };

function corsHeaders(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.startsWith("access-control-")));
}

describe("CORS", () => {
  test.each([
    "/api/mutation",
    "/api/unknown/path",
    "/api/storage/upload",
    "/",
    "/instance_name",
    "/instance_version",
    "/echo",
  ])("CORS1 H32 a preflight of %s is answered for any origin", async (path) => {
    const response = await backend().request(path, {
      method: "OPTIONS",
      headers: { ...ORIGIN, "access-control-request-headers": "convex-client,authorization,content-type" },
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
    expect(corsHeaders(response)).toEqual({
      "access-control-allow-origin": "https://app.example",
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "GET,POST,OPTIONS,PATCH,DELETE,PUT",
      "access-control-allow-headers": "convex-client,authorization,content-type",
      "access-control-max-age": "86400",
    });
    expect(response.headers.get("vary")).toBe("origin, access-control-request-method, access-control-request-headers");
  });

  test("CORS2 H33 every answer under /api carries the headers, errors most of all", async () => {
    const { functions, post, request } = backend();
    const call = { path: "m:f", args: {} };
    const answers: [Response, number][] = [
      [await post("/api/query", call, ORIGIN), 200],
      [await post("/api/query", "not json", ORIGIN), 400],
      [await post("/api/query", call, { ...ORIGIN, authorization: "Bearer garbage" }), 401],
      [await post("/api/query", call, { ...ORIGIN, "convex-client": "npm-0.1.0" }), 400],
      [await post("/api/query", call, { ...ORIGIN, "convex-client": "foo" }), 400],
      [await post("/api/function", call, ORIGIN), 403],
      [await request("/api/unknown", { headers: ORIGIN }), 404],
      [await request("/api/mutation", { headers: ORIGIN }), 405],
    ];
    functions.failure = new Error("a bug");
    answers.push([await post("/api/query", call, ORIGIN), 500]);
    for (const [response, status] of answers) {
      expect(response.status).toBe(status);
      expect(corsHeaders(response)).toEqual({
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-credentials": "true",
      });
    }
  });

  test("CORS3 without an Origin none is allowed, never *", async () => {
    const response = await backend().post("/api/query", { path: "m:f", args: {} });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test.each(["/http/hello", "/version"])("CORS4 %s is none of our business", async (path) => {
    const { request } = backend();
    expect(corsHeaders(await request(path, { headers: ORIGIN }))).toEqual({});
    const preflight = await request(path, { method: "OPTIONS", headers: ORIGIN });
    expect(corsHeaders(preflight)).toEqual({});
    expect(preflight.status).not.toBe(200);
  });
});
