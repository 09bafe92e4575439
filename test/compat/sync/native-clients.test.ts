import type { Value } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { HeldServer } from "../../support/held-server.ts";
import { Issuer } from "../../support/issuer.ts";
import { NativeClient, type Result } from "../../support/native-client.ts";
import { PythonError, PythonHttpClient } from "../../support/python-http-client.ts";

/**
 * The clients for Rust, Python, Swift and Kotlin, as their sources have them speak and listen: not those clients
 * themselves, which don't come from npm.
 */

const NOTES = `import { v, ConvexError } from "convex/values";
import { action, internalQuery, mutation, query } from "./_generated/server";
const notes = (ctx, topic) => ctx.db.query("notes").withIndex("topic", (q) => q.eq("topic", topic)).collect();
export const list = query({ args: { topic: v.string() }, handler: async (ctx, { topic }) =>
  (await notes(ctx, topic)).map(({ value }) => value) });
export const add = mutation({ args: { topic: v.string(), value: v.any() }, handler: (ctx, note) => {
  console.log("adding", note.topic);
  return ctx.db.insert("notes", note);
} });
export const nothing = mutation({ args: {}, handler: () => null });
export const refuse = mutation({ args: { data: v.any() }, handler: async (ctx, { data }) => {
  await ctx.db.insert("notes", { topic: "refused", value: 1 });
  throw new ConvexError(data);
} });
export const crash = mutation({ args: {}, handler: () => { throw new Error("a plain error"); } });
export const first = query({ args: { topic: v.string() }, handler: async (ctx, { topic }) => {
  const [note] = await notes(ctx, topic);
  if (note === undefined) throw new ConvexError({ empty: topic });
  return note.value;
} });
export const numbers = query({ args: { float: v.number(), int: v.int64(), bytes: v.bytes(), none: v.null() },
  handler: (_, args) => ({ ...args, kinds: Object.values(args).map((value) => typeof value) }) });
export const large = query({ args: { length: v.number() }, handler: (_, { length }) => "x".repeat(length) });
export const echo = action({ args: { value: v.any() }, handler: (_, { value }) => value });
export const wait = action({ args: { url: v.string() }, handler: async (_, { url }) => (await fetch(url)).text() });
export const who = query({ args: {}, handler: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null });
export const hidden = internalQuery({ args: {}, handler: () => "hidden" });
export default query({ args: {}, handler: () => "the default export" });
`;
const AUTH = `export default { providers: [{ domain: process.env.ISSUER!, applicationID: "app" }] };`;

let backend: TestBackend;
let http: FunctionClient;
let issuer: Issuer;
let outside: HeldServer;

beforeAll(async () => {
  issuer = await Issuer.start();
  outside = await HeldServer.start();
  backend = await startBackend();
  using app = new ConvexApp({
    "convex/schema.ts": schemaFile({ notes: `({ topic: v.string(), value: v.any() }).index("topic", ["topic"])` }),
    "convex/notes.ts": NOTES,
    "convex/auth.config.ts": AUTH,
  });
  await app.convex(backend, "env", "set", "ISSUER", issuer.url);
  await app.deploy(backend);
  http = new FunctionClient(backend.url);
});
afterAll(async () => {
  await backend?.stop();
  await issuer?.[Symbol.asyncDispose]();
  await outside?.[Symbol.asyncDispose]();
});

const value = (of: Value): Result => ({ type: "value", value: of });
const connect = (clientId = "rust-0.10.4"): Promise<NativeClient> => NativeClient.connect(backend.url, clientId);

/** The client with the values that its language has for an integer and a fraction. */
const CLIENTS = [
  ["rust-0.10.4", 7n, 7.5],
  ["python-0.7.0", 7, 7.5],
  ["swift-0.8.1", 7n, 7.5],
  ["kotlin-0.8.0", 7, 7.5],
] as const;

describe("the sync core that Rust, Python, Swift and Kotlin share", () => {
  test.for(CLIENTS)(
    "P-R-8 %s: subscriptions, one-shot queries, mutations and actions",
    async ([id, integer, float]) => {
      await using client = await connect(id);
      // Before there is a query, a mutation settles: there is a Transition for it.
      expect(await client.mutation("notes:add", { topic: id, value: integer })).toEqual(value(expect.any(String)));
      const list = client.subscribe("notes:list", { topic: id });
      expect(await list.results.next()).toEqual(value([integer]));
      expect(await client.mutation("notes:add", { topic: id, value: float })).toEqual(value(expect.any(String)));
      expect(await list.results.next()).toEqual(value([integer, float]));
      await http.mutation("notes:add", { topic: id, value: { by: "another" } });
      expect(await list.results.next()).toEqual(value([integer, float, { by: "another" }]));
      expect(await client.query("notes:list", { topic: "nobody's" })).toEqual(value([]));
      expect(await client.query("notes")).toEqual(value("the default export"));
      expect(await client.action("notes:echo", { value: [integer, float] })).toEqual(value([integer, float]));
      client.unsubscribe(list);
      expect(await client.mutation("notes:nothing")).toEqual(value(null));
      expect(client.logs.join()).toContain(`'adding' '${id}'`);
      expect(client.troubles).toEqual([]);
    },
  );

  test("P-R-8 the values of the core: 1.0 is a number, $integer is an int64, -0 and NaN stay what they are", async () => {
    await using client = await connect();
    const args = { float: 3, int: -(2n ** 63n), bytes: new Uint8Array([0, 255]).buffer, none: null };
    const kinds = { kinds: ["object", "number", "bigint", "object"] };
    expect(await client.query("notes:numbers", args)).toMatchObject({ type: "value", value: { ...args } });
    expect(await client.query("notes:numbers", args)).toMatchObject({
      value: { kinds: expect.arrayContaining(kinds.kinds) },
    });
    const odd = [-0, NaN, Infinity, -Infinity, 1e300, 5e-324, 2 ** 53, 0.1];
    expect(await client.action("notes:echo", { value: odd })).toEqual(value(odd));
    const deep = { a: { b: [{ c: [[], {}] }] }, text: 'ü😀\u0000"\\', z: true };
    expect(await client.action("notes:echo", { value: deep })).toEqual(value(deep));
    expect(client.troubles).toEqual([]);
  });

  test("P-R-8 failures settle, plain ones and those with data, with and without a query", async () => {
    await using client = await connect("python-0.7.0");
    const refused = { type: "error", message: expect.stringContaining("ConvexError"), data: { code: 1 } };
    expect(await client.mutation("notes:refuse", { data: { code: 1 } })).toEqual(refused);
    expect(await client.mutation("notes:crash")).toEqual({
      type: "message",
      message: expect.stringContaining("a plain error"),
    });
    const first = client.subscribe("notes:first", { topic: "failing" });
    expect(await first.results.next()).toMatchObject({ type: "error", data: { empty: "failing" } });
    expect(await client.mutation("notes:refuse", { data: null })).toMatchObject({ type: "error", data: null });
    await client.mutation("notes:add", { topic: "failing", value: "well" });
    expect(await first.results.next()).toEqual(value("well"));
    for (const path of ["notes:hidden", "notes:missing", "nowhere:at"]) {
      // oxlint-disable-next-line no-await-in-loop -- few
      expect(await client.query(path)).toEqual({
        type: "message",
        message: expect.stringContaining("Could not find public function"),
      });
    }
    expect(await client.action("notes:echo", {})).toMatchObject({ type: "message" });
    expect(await http.query("notes:list", { topic: "refused" })).toEqual([]);
    expect(client.troubles).toEqual([]);
  });

  test("P-R-8 after a cut it comes back as a new session, with canonical paths, and sees everything", async () => {
    await using client = await connect("swift-0.8.1");
    const list = client.subscribe("notes:list", { topic: "cut" });
    const plain = client.subscribe("notes");
    expect(await list.results.next()).toEqual(value([]));
    expect(await plain.results.next()).toEqual(value("the default export"));
    await client.mutation("notes:add", { topic: "cut", value: 1 });
    expect(await list.results.next()).toEqual(value([1]));
    client.cut();
    await http.mutation("notes:add", { topic: "cut", value: 2 });
    expect(await list.results.next()).toEqual(value([1, 2]));
    await client.mutation("notes:add", { topic: "cut", value: 3 });
    expect(await list.results.next()).toEqual(value([1, 2, 3]));
    expect(client.troubles).toHaveLength(1);
    expect(new Set(client.sessions).size).toBe(2);
  });

  test("P-R-8 an action in flight when the network goes is sent again, and answered", async () => {
    await using client = await connect("kotlin-0.8.0");
    const acted = client.action("notes:wait", { url: outside.url("/kotlin") });
    await outside.asked("/kotlin");
    client.cut();
    outside.answer("/kotlin", "there");
    await outside.asked("/kotlin");
    outside.answer("/kotlin", "here");
    expect(await acted).toEqual(value("here"));
    expect(client.troubles).toHaveLength(1);
  });

  test("P-R-8 P-A-3 it signs in, refreshes on reconnect, signs out, and is told of a bad token", async () => {
    await using client = await connect("swift-0.8.1");
    const who = client.subscribe("notes:who");
    expect(await who.results.next()).toEqual(value(null));
    const tokens = [await issuer.token({ sub: "ada" }), await issuer.token({ sub: "bob" })];
    client.setAuth(() => tokens.shift() ?? "no more tokens");
    expect(await who.results.next()).toEqual(value("ada"));
    client.cut();
    expect(await who.results.next()).toEqual(value("bob"));
    client.setAuth(null);
    expect(await who.results.next()).toEqual(value(null));
    const good = await issuer.token({ sub: "carl" });
    const attempts = ["bad", good];
    client.setAuth(() => attempts.shift() ?? good);
    expect(await who.results.next()).toEqual(value("carl"));
    expect(client.troubles[1]).toMatch(/^AuthError: /);
  });

  test("P-R-8 P-A-4 an admin acts as somebody", async () => {
    await using client = await connect();
    client.setAdminAuth(backend.adminKey, { issuer: "https://issuer.test", subject: "eve" });
    expect(await client.query("notes:who")).toEqual(value("eve"));
    expect(await client.query("notes:hidden")).toEqual(value("hidden"));
    expect(client.troubles).toEqual([]);
  });

  test("P-R-8 WS-S18 a result beyond five megabytes comes in one piece", async () => {
    await using client = await connect();
    expect(await client.query("notes:large", { length: 6_000_000 })).toEqual(value("x".repeat(6_000_000)));
    expect(client.troubles).toEqual([]);
  });

  test("P-R-8 the path of a deployment's address is not kept, and fifty subscriptions are one core's", async () => {
    await using client = await NativeClient.connect(`${backend.url.replace(/\/$/, "")}/some/path`, "rust-0.10.4");
    const lists = Array.from({ length: 50 }, (_, n) => client.subscribe("notes:list", { topic: `of ${n}` }));
    expect(await Promise.all(lists.map(({ results }) => results.next()))).toEqual(lists.map(() => value([])));
    await Promise.all(lists.map((_, n) => client.mutation("notes:add", { topic: `of ${n}`, value: n })));
    expect(await Promise.all(lists.map(({ results }) => results.next()))).toEqual(lists.map((_, n) => value([n])));
    expect(client.troubles).toEqual([]);
  });
});

describe("the HTTP client of Python", () => {
  const client = (version?: string): PythonHttpClient => new PythonHttpClient(backend.url, version);

  test("P-R-8 P-R-9 queries, mutations and actions with every kind of value", async () => {
    const python = client();
    const id = await python.mutation("notes:add", { topic: "python", value: 7 });
    expect(id).toEqual(expect.any(String));
    expect(await python.query("notes:list", { topic: "python" })).toEqual([7]);
    const all = { float: 3, int: 2n ** 62n, bytes: new Uint8Array([1, 2]).buffer, none: null };
    expect(await python.query("notes:numbers", all)).toMatchObject(all);
    const odd = { list: [-0, NaN, Infinity, 1e22, 0.1], text: 'ü😀\u0000"\\', yes: true };
    expect(await python.action("notes:echo", { value: odd })).toEqual(odd);
    expect(await python.query("notes")).toBe("the default export");
  });

  test("P-R-8 P-F-16 it raises ConvexError with the data, and the words of other failures", async () => {
    const python = client();
    const raised = async (call: Promise<Value>): Promise<unknown> => call.catch((error: unknown) => error);
    expect(await raised(python.mutation("notes:refuse", { data: { code: 1n } }))).toEqual(
      new PythonError("ConvexError", "Convex error", { code: 1n }),
    );
    expect(await raised(python.mutation("notes:refuse", { data: "words" }))).toEqual(
      new PythonError("ConvexError", "words", "words"),
    );
    expect(await raised(python.mutation("notes:crash"))).toMatchObject({
      kind: "ConvexExecutionError",
      message: expect.stringContaining("a plain error"),
    });
    expect(await raised(python.query("notes:hidden"))).toMatchObject({
      kind: "ConvexExecutionError",
      message: expect.stringContaining("Could not find public function"),
    });
    python.auth = "Bearer bad";
    expect(await raised(python.query("notes:who"))).toMatchObject({
      kind: "Exception",
      message: expect.stringMatching(/^401 InvalidAuthHeader: /),
    });
  });

  test("P-R-8 users, admins, and versions from before formats were named", async () => {
    const python = client();
    python.auth = `Bearer ${await issuer.token({ sub: "ada" })}`;
    expect(await python.query("notes:who")).toBe("ada");
    python.auth = `Convex ${backend.adminKey}`;
    expect(await python.query("notes:hidden")).toBe("hidden");
    for (const version of ["0.1.9", "0.4.0", "0.7.0-a1"]) {
      // oxlint-disable-next-line no-await-in-loop -- few
      expect(await client(version).action("notes:echo", { value: 5n })).toBe(5n);
    }
  });
});
