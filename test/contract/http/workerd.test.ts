import { brotliCompressSync } from "node:zlib";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundledWorker } from "../../support/bundled-worker.ts";
import { AdminKeys } from "../../../src/auth/admin-key.ts";

const SECRET = "0123456789abcdef".repeat(4);

let miniflare: Miniflare;
let url: URL;
let admin: { authorization: string };

beforeAll(async () => {
  miniflare = await bundledWorker(import.meta.dirname, { bindings: { SECRET } });
  url = await miniflare.ready;
  admin = { authorization: `Convex ${await (await AdminKeys.create("convection", [SECRET])).issue()}` };
});

afterAll(() => miniflare.dispose());

function post(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  const init = { method: "POST", body, headers: { "content-type": "application/json", ...headers }, duplex: "half" };
  return fetch(new URL(path, url), init);
}

describe("in workerd", () => {
  test("P-R-9 a call goes through", async () => {
    const response = await post("/api/query", `{"path":"m:f","args":{"a":-0}}`);
    expect(await response.text()).toBe(`{"status":"success","value":[{"a":-0.0}]}`);
  });

  test("PUSH1 a brotli body is decompressed", async () => {
    const adminKey = admin.authorization.slice("Convex ".length);
    const text = JSON.stringify({ adminKey, source: "x".repeat(5_000_000) });
    const body = new Uint8Array(brotliCompressSync(text));
    const response = await post("/api/deploy2/start_push", body, { ...admin, "content-encoding": "br" });
    expect(await response.json()).toEqual({ length: text.length });
  });

  test("PUSH3 decompression stops at the bound", async () => {
    const bomb = new Uint8Array(brotliCompressSync(Buffer.alloc(64_000_000, 0x20)));
    expect(bomb.length).toBeLessThan(10_000);
    const response = await post("/api/deploy2/start_push", bomb, { ...admin, "content-encoding": "br" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
  });

  test("HTTP10 a body without a length has a bound", async () => {
    const chunk = new Uint8Array(1024 * 1024).fill(0x20);
    let sent = 0;
    const long = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent++;
        if (sent > 20) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const response = await post("/api/query", long);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
  });

  test("HTTP16 H38 a client that announces too much gets its answer while it sends, and the connection stays usable", async () => {
    for (let i = 0; i < 5; i++) {
      const response = await post("/api/query", new Uint8Array(17 * 1024 * 1024).fill(0x20));
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "BadJsonBody" });
      expect((await post("/api/query", `{"path":"m:f","args":{}}`)).status).toBe(200);
    }
  });

  test("HTTP16 an answer that needs no body comes after the body all the same", async () => {
    const body = () => new Uint8Array(8 * 1024 * 1024);
    for (let i = 0; i < 5; i++) {
      expect((await post("/api/unknown", body())).status).toBe(404);
      expect((await post("/api/query", body(), { authorization: "Basic eA==" })).status).toBe(400);
      expect((await post("/api/deploy2/start_push", body(), { authorization: "Convex bad" })).status).toBe(401);
      expect((await post("/version", body())).status).toBe(405);
    }
  });

  test("HTTP13 H40 /echo streams the same bytes back", async () => {
    const bytes = new Uint8Array(1024 * 1024).map((_, i) => (i * 2_654_435_761) >>> 24);
    const response = await post("/echo", bytes);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test("CORS2 an error answered by workerd carries the headers", async () => {
    const response = await post("/api/query", "{", { origin: "https://app.example" });
    expect(response.status).toBe(400);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
  });
});
