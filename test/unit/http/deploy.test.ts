import { brotliCompressSync, constants } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ADMIN, ADMIN_KEY, backend, READ_ONLY_KEY } from "./backend.ts";

const ENDPOINTS = [
  ["/api/get_config_hashes", "getConfigHashes"],
  ["/api/deploy2/start_push", "startPush"],
  ["/api/deploy2/evaluate_push", "evaluatePush"],
  ["/api/deploy2/evaluate_schema", "evaluateSchema"],
  ["/api/deploy2/wait_for_schema", "waitForSchema"],
  ["/api/deploy2/finish_push", "finishPush"],
  ["/api/deploy2/report_push_completed", "reportPushCompleted"],
  ["/api/get_config", "getConfig"],
  ["/api/prepare_schema", "prepareSchema"],
  ["/api/push_config", "pushConfig"],
] as const;

/** As the CLI compresses it. */
function brotli(json: unknown): Uint8Array<ArrayBuffer> {
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
  return new Uint8Array(brotliCompressSync(JSON.stringify(json), options));
}

function compressed(body: BodyInit, headers: Record<string, string> = ADMIN): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json", "content-encoding": "br", ...headers },
    body,
  };
}

describe("push endpoints", () => {
  test.each(ENDPOINTS)("PUSH1 %s hands the body over, compressed or not", async (path, method) => {
    const { push, post, request } = backend();
    const body = { adminKey: ADMIN_KEY, functions: "convex/" };
    push.answer = { answer: [1] };
    expect(await (await post(path, body, ADMIN)).json()).toEqual({ answer: [1] });
    const response = await request(path, compressed(brotli(body)));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(push.calls).toEqual([
      { method, body },
      { method, body },
    ]);
  });

  test("PUSH1 null is an answer", async () => {
    const { push, post } = backend();
    push.answer = null;
    const response = await post("/api/deploy2/report_push_completed", { adminKey: ADMIN_KEY, spans: [] }, ADMIN);
    expect(await response.text()).toBe("null");
  });

  test.each(ENDPOINTS)("PUSH2 %s is for admins, by header and by body", async (path) => {
    const { push, post } = backend();
    const body = { adminKey: ADMIN_KEY };
    const wrong = { adminKey: "convection|00" };
    expect((await post(path, body)).status).toBe(200);
    expect((await post(path, wrong)).status).toBe(401);
    expect((await post(path, wrong, ADMIN)).status).toBe(401);
    expect((await post(path, body, { authorization: "Convex bad" })).status).toBe(401);
    expect((await post(path, body, { authorization: "Bearer garbage" })).status).toBe(401);
    expect((await post(path, {}, ADMIN)).status).toBe(400);
    expect(push.calls).toHaveLength(1);
  });

  test("KEY5 a read-only key pushes nothing", async () => {
    const { push, post } = backend();
    const headers = { authorization: `Convex ${READ_ONLY_KEY}` };
    for (const key of [ADMIN_KEY, READ_ONLY_KEY]) {
      expect((await post("/api/deploy2/start_push", { adminKey: key }, headers)).status).toBe(403);
    }
    expect((await post("/api/deploy2/start_push", { adminKey: READ_ONLY_KEY }, ADMIN)).status).toBe(403);
    expect((await post("/api/get_config_hashes", { adminKey: READ_ONLY_KEY }, headers)).status).toBe(200);
    expect(push.calls).toHaveLength(1);
  });

  test("PUSH3 a small body that inflates beyond the bound is refused", async () => {
    const { push, request } = backend({ pushBodyBytes: 100_000 });
    const bomb = brotli({ adminKey: ADMIN_KEY, filler: "x".repeat(10_000_000) });
    expect(bomb.length).toBeLessThan(1000);
    const response = await request("/api/deploy2/start_push", compressed(bomb));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
    const fitting = brotli({ adminKey: ADMIN_KEY, filler: "x".repeat(90_000) });
    expect((await request("/api/deploy2/start_push", compressed(fitting))).status).toBe(200);
    expect(push.calls).toHaveLength(1);
  });

  test("PUSH4 who shows a key only in the body may not send a large one", async () => {
    const { request } = backend({ functionBodyBytes: 1000 });
    const large = brotli({ adminKey: ADMIN_KEY, filler: "x".repeat(2000) });
    expect((await request("/api/deploy2/start_push", compressed(large, {}))).status).toBe(400);
    expect((await request("/api/deploy2/start_push", compressed(large))).status).toBe(200);
  });

  test.each([
    ["bytes that are not brotli", Uint8Array.of(1, 2, 3), "br"],
    ["brotli that is cut off", brotli({ adminKey: ADMIN_KEY }).slice(0, -3), "br"],
    ["brotli of no JSON", new Uint8Array(brotliCompressSync("{")), "br"],
    ["another encoding", brotli({ adminKey: ADMIN_KEY }), "zstd"],
  ])("PUSH5 %s are a 400", async (_name, body, encoding) => {
    const { push, request } = backend();
    const init = compressed(body, { ...ADMIN, "content-encoding": encoding });
    const response = await request("/api/deploy2/start_push", init);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
    expect(push.calls).toEqual([]);
  });

  test("PUSH6 get_canonical_urls tells an admin where clients connect", async () => {
    const { request } = backend();
    expect(await (await request("/api/v1/get_canonical_urls", { headers: ADMIN })).json()).toEqual({
      convexCloudUrl: "http://127.0.0.1:3210",
      convexSiteUrl: "http://127.0.0.1:3211",
    });
    expect((await request("/api/v1/get_canonical_urls")).status).toBe(403);
  });
});
