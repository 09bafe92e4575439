import { fetchAction, fetchMutation, fetchQuery, preloadedQueryResult, preloadQuery } from "convex/nextjs";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";

/** What a Next.js server does: it finds the deployment in its environment and keeps no connection. */

const NOTES = `import { action, mutation, query } from "./_generated/server";
import { ConvexError, v } from "convex/values";
export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text) });
export const add = mutation({ args: { text: v.string() }, handler: async (ctx, { text }) => {
  if (text === "") throw new ConvexError({ empty: 1n });
  await ctx.db.insert("notes", { text });
} });
export const shout = action({ args: { text: v.string() }, handler: (_, { text }) => text.toUpperCase() });
`;

const list = makeFunctionReference<"query", Record<string, never>, string[]>("notes:list");
const add = makeFunctionReference<"mutation", { text: string }, null>("notes:add");
const shout = makeFunctionReference<"action", { text: string }, string>("notes:shout");

let backend: TestBackend;

beforeAll(async () => {
  backend = await startBackend();
  using app = new ConvexApp({ "convex/notes.ts": NOTES });
  await app.deploy(backend);
  vi.stubEnv("NEXT_PUBLIC_CONVEX_URL", backend.url.replace(/\/$/, ""));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await backend?.stop();
});

const local = { skipConvexDeploymentUrlCheck: true };

test("P-R-8 a Next.js server fetches, writes, acts and preloads", async () => {
  expect(await fetchQuery(list, {}, local)).toEqual([]);
  expect(await fetchMutation(add, { text: "one" }, local)).toBeNull();
  expect(await fetchAction(shout, { text: "one" }, local)).toBe("ONE");
  const preloaded = await preloadQuery(list, {}, local);
  expect(preloadedQueryResult(preloaded)).toEqual(["one"]);
});

test("P-R-8 P-F-16 data of an error reaches the Next.js server", async () => {
  await expect(fetchMutation(add, { text: "" }, local)).rejects.toMatchObject({ data: { empty: 1n } });
});

test("P-R-8 a query of a Next.js server with a token that is none is refused", async () => {
  await expect(fetchQuery(list, {}, { ...local, token: "none" })).rejects.toThrow("InvalidAuthHeader");
});
