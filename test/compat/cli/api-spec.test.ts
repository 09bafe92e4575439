import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import type { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanEnvironment, startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";

/** `npx convex-helpers` as it comes from npm writes specifications of a deployment's functions, and they hold. */

const SHOP = `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ name: v.string(), price: v.number() }) });
`;

const ITEMS = `import { action, internalMutation, mutation, query } from "../_generated/server";
import { ConvexError, v } from "convex/values";
const item = v.object({ _id: v.id("items"), _creationTime: v.number(), name: v.string(), price: v.number() });
export const list = query({ args: {}, returns: v.array(item), handler: (ctx) => ctx.db.query("items").collect() });
export const get = query({
  args: { id: v.id("items") },
  returns: v.union(item, v.null()),
  handler: (ctx, { id }) => ctx.db.get(id),
});
export const add = mutation({
  args: { name: v.string(), price: v.optional(v.number()) },
  returns: v.id("items"),
  handler: (ctx, { name, price }) => ctx.db.insert("items", { name, price: price ?? 0 }),
});
export const clear = internalMutation({ args: {}, returns: v.null(), handler: async (ctx) => {
  for (const { _id } of await ctx.db.query("items").collect()) await ctx.db.delete(_id);
  return null;
} });
const all = v.object({
  kind: v.union(v.literal("a"), v.literal(1), v.literal(true)),
  big: v.int64(),
  bytes: v.bytes(),
  list: v.array(v.boolean()),
  record: v.record(v.string(), v.number()),
  nothing: v.null(),
  anything: v.any(),
});
export const echo = action({ args: { all }, returns: all, handler: (_, { all }) => all });
export const fail = action({ args: {}, handler: () => { throw new ConvexError({ code: 7 }); } });
export default query({ handler: () => "the default export" });
`;

const HTTP = `import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";
const http = httpRouter();
http.route({ path: "/hook", method: "POST", handler: httpAction(async () => new Response()) });
export default http;
`;

let backend: TestBackend;
let app: ConvexApp;

beforeAll(async () => {
  backend = await startBackend();
  app = new ConvexApp({ "convex/schema.ts": SHOP, "convex/shop/items.ts": ITEMS, "convex/http.ts": HTTP });
  await app.deploy(backend);
});
afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

/** Runs `convex-helpers`, which runs `npx convex` itself. Returns the text of the file it wrote. */
async function convexHelpers(command: string, file: string, ...options: string[]): Promise<string> {
  const { PATH, ...env } = cleanEnvironment();
  const bin = join(ROOT, "node_modules/.bin");
  const child = new Spawned(join(bin, "convex-helpers"), [command, "--output-file", file, ...options], {
    cwd: app.path,
    env: {
      ...env,
      PATH: `${bin}${delimiter}${PATH}`,
      CI: "1",
      CONVEX_SELF_HOSTED_URL: backend.url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: backend.adminKey,
    },
  });
  if ((await child.exited) !== 0) throw new Error(`${child.stdout}\n${child.stderr}`);
  return readFileSync(join(app.path, file), "utf8");
}

/** As a client made from the specification does. */
async function post(url: string, args: object, authorization?: string): Promise<unknown> {
  const headers = { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ args }) });
  return response.json();
}

test("P-R-10 open-api-spec describes each public function, and its URLs answer as described", async () => {
  const spec = await convexHelpers("open-api-spec", "public.yaml");
  const [server = ""] = /(?<=^ {2}- url: ).*$/m.exec(spec) ?? [];
  expect(server.replace(/\/$/, "")).toBe(backend.url.replace(/\/$/, ""));
  const paths = [...spec.matchAll(/^ {2}(\/api\/run\/\S+):$/gm)].map(([, path = ""]) => path);
  expect(paths.toSorted()).toEqual(
    ["add", "default", "echo", "fail", "get", "list"].map((name) => `/api/run/shop/items/${name}`),
  );
  const call = (name: string, args: object): Promise<unknown> =>
    post(`${server.replace(/\/$/, "")}/api/run/shop/items/${name}`, args);
  const success = (value: unknown): unknown => ({ status: "success", value });

  const added = (await call("add", { name: "tea" })) as { value: string };
  expect(added).toEqual(success(expect.any(String)));
  const document = { _id: added.value, _creationTime: expect.any(Number), name: "tea", price: 0 };
  expect(await call("get", { id: added.value })).toEqual(success(document));
  expect(await call("list", {})).toEqual(success([document]));
  expect(await call("default", {})).toEqual(success("the default export"));
  expect(await call("fail", {})).toMatchObject({ status: "error", errorData: { code: 7 } });
  expect(await call("add", { name: 1 })).toMatchObject({ status: "error" });
  expect(await call("clear", {})).toMatchObject({
    status: "error",
    errorMessage: expect.stringContaining("Could not find"),
  });
  // The shapes of what goes in and comes out.
  expect(spec).toContain('description: ID from table "items"');
  expect(spec).toMatch(/Response_shop\.items\.get:[^]*?value:\s+type: object[^]*?nullable: true/);
  expect(spec).toMatch(/Request_shop\.items\.add:[^]*?required:\s+- name\s+properties:/);
  expect(spec).toMatch(/big:\s+type: integer\s+format: int64/);
});

test("P-R-10 open-api-spec with internal functions: an admin's calls of them are answered", async () => {
  const spec = await convexHelpers("open-api-spec", "internal.yaml", "--include-internal");
  expect(spec).toContain("  /api/run/shop/items/clear:");
  const url = `${backend.url.replace(/\/$/, "")}/api/run/shop/items/clear`;
  expect(await post(url, {}, `Convex ${backend.adminKey}`)).toEqual({ status: "success", value: null });
  expect(await post(`${backend.url.replace(/\/$/, "")}/api/run/shop/items/list`, {})).toMatchObject({ value: [] });
});

const CONSUMER = `import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { api, internal } from "./convexApi";
type Item = FunctionReturnType<typeof api.shop.items.list>[number];
export const args: FunctionArgs<typeof api.shop.items.add> = { name: "tea" };
export const price = (item: Item): number => item.price;
export const all: FunctionArgs<typeof api.shop.items.echo> = { all: {
  kind: "a", big: 1n, bytes: new ArrayBuffer(1), list: [true], record: { a: 1 }, nothing: null, anything: {},
} };
// @ts-expect-error it is not public
export const hidden = api.shop.items.clear;
// @ts-expect-error of another type
export const wrong: FunctionArgs<typeof api.shop.items.add> = { name: 1 };
export const clear = internal.shop.items.clear;
`;

test("P-R-10 ts-api-spec writes types that hold, and references that call", async () => {
  await convexHelpers("ts-api-spec", "convexApi.ts", "--include-internal");
  writeFileSync(join(app.path, "consumer.ts"), CONSUMER);
  const tsc = new Spawned(
    process.execPath,
    [
      join(ROOT, "node_modules/typescript/bin/tsc"),
      ...`--noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler --target es2022`.split(" "),
      "--ignoreConfig",
      "consumer.ts",
    ],
    { cwd: app.path },
  );
  expect([await tsc.exited, tsc.stdout]).toEqual([0, ""]);
  const { api } = (await import(/* @vite-ignore */ join(app.path, "convexApi.ts"))) as { api: typeof anyApi };
  const client = new ConvexHttpClient(backend.url);
  const id = await client.mutation(api["shop"]!["items"]!["add"]!, { name: "tea", price: 3 });
  expect(await client.query(api["shop"]!["items"]!["get"]!, { id })).toMatchObject({ name: "tea", price: 3 });
});
