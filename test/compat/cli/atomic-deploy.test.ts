import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { failure, FunctionClient } from "../../support/function-client.ts";

/** Code, schema and indexes change in one moment, or not at all. */

/** `version` is in the code, in the schema's field and in the name of the index: a mixture of two would fail. */
function files(version: string): Record<string, string> {
  return {
    "convex/schema.ts": schemaFile({
      rows: `({ v${version}: v.optional(v.any()), n: v.number() }).index("by_${version}", ["n"])`,
    }),
    "convex/rows.ts": `import { v } from "convex/values";
import { internal } from "./_generated/api";
import { action, internalQuery, mutation, query } from "./_generated/server";

export const version = query({
  args: {},
  handler: async (ctx) => {
    await ctx.db.query("rows").withIndex("by_${version}").first();
    return "${version}";
  },
});

export const write = mutation({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    const id = await ctx.db.insert("rows", { n });
    await ctx.db.delete(id);
    return "${version}";
  },
});

export const inner = internalQuery({ args: {}, handler: () => "${version}" });

/** Tells that it runs, waits to be let go on, and says by which code it ended. */
export const slow = action({
  args: { gate: v.string() },
  handler: async (ctx, { gate }): Promise<string> => {
    await fetch(gate + "/started");
    await fetch(gate + "/wait");
    const text = "${version}";
    return text;
  },
});
`,
  };
}

let backend: TestBackend;
let client: FunctionClient;
let app: ConvexApp;

beforeAll(async () => {
  backend = await startBackend();
  client = new FunctionClient(backend.url);
  app = new ConvexApp(files("a"));
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

test("P-I-4 an action that runs during a push ends on the code it began with; the next call runs the new code", async () => {
  const started = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    if (request.url === "/started") started.resolve();
    const answer = request.url === "/wait" ? goOn.promise : Promise.resolve();
    void answer.then(() => response.end("ok"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const gate = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  try {
    const running = client.action("rows:slow", { gate });
    await started.promise;
    app.write(files("b"));
    await app.deploy(backend);
    expect(await client.query("rows:version")).toBe("b");
    goOn.resolve();
    expect(await running).toBe("a");
    expect(await client.action("rows:slow", { gate })).toBe("b");
  } finally {
    goOn.resolve();
    server.close();
  }
});

test("P-I-4 calls during a push run wholly before it or wholly after it", async () => {
  app.write(files("c"));
  let pushed = false;
  const push = app.deploy(backend).finally(() => {
    pushed = true;
  });
  const seen: string[] = [];
  while (!pushed) {
    const [read, written] = await Promise.all([
      client.query<string>("rows:version"),
      client.mutation<string>("rows:write", { n: 1 }),
    ]);
    seen.push(read, written);
  }
  await push;
  expect(seen.filter((version) => version !== "b" && version !== "c")).toEqual([]);
  // No Worker runs the version of before once the push has been answered.
  for (let n = 0; n < 20; n++) {
    expect([await client.query("rows:version"), await client.mutation("rows:write", { n })]).toEqual(["c", "c"]);
  }
});

test("P-I-4 a push whose code is fine and whose schema is not changes nothing", async () => {
  app.write({
    ...files("d"),
    "convex/keep.ts": `import { mutation } from "./_generated/server";
export const keep = mutation({ args: {}, handler: (ctx) => ctx.db.insert("rows", { n: 1 }) });
`,
  });
  await app.deploy(backend);
  await client.mutation("keep:keep");
  app.write({
    ...files("e"),
    "convex/schema.ts": schemaFile({ rows: '({ n: v.string() }).index("by_e", ["n"])' }),
  });
  const text = await app.failedDeploy(backend);
  expect(text).toContain('in table "rows" does not match the schema');
  expect([await client.query("rows:version"), await client.mutation("rows:write", { n: 1 })]).toEqual(["d", "d"]);
  app.remove("convex/keep.ts");
  app.write(files("e"));
  await app.deploy(backend);
  expect(await failure(client.mutation("keep:keep"))).toContain("Could not find public function");
});

async function post(
  path: string,
  body: object,
): Promise<{ status: number; body: { code?: string; message?: string } }> {
  const response = await fetch(`${backend.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Convex ${backend.adminKey}` },
    body: JSON.stringify({ ...body, adminKey: backend.adminKey }),
  });
  return { status: response.status, body: await response.json() };
}

/** The body that the official CLI would send, without sending it. */
async function pushRequest(version: string): Promise<object> {
  app.write(files(version));
  const result = await app.convex(
    backend,
    "deploy",
    "--typecheck",
    "disable",
    "--write-push-request",
    "request",
    "--push-all-modules",
  );
  expect(result.code).toBe(0);
  return JSON.parse(app.read("request.json"));
}

test("E-D-11 of two pushes that overlap the one that finishes first wins, and the other is told", async () => {
  const [first, second] = [await pushRequest("f"), await pushRequest("g")];
  const start = async (request: object) =>
    (await post("/api/deploy2/start_push", request)).body as { schemaChange: object };
  const wait = async ({ schemaChange }: { schemaChange: object }) =>
    (await post("/api/deploy2/wait_for_schema", { schemaChange, timeoutMs: 10_000, dryRun: false })).body;
  const finish = (startPush: object) => post("/api/deploy2/finish_push", { startPush, dryRun: false, message: null });

  const started = [await start(first), await start(second)] as const;
  expect(await wait(started[0])).toEqual({ type: "complete" });
  expect((await finish(started[0])).status).toBe(200);
  expect(await wait(started[1])).toEqual({ type: "raceDetected" });
  const refused = await finish(started[1]);
  expect(refused.status).toBe(400);
  expect(refused.body.code).toBe("ConcurrentPush");
  expect(refused.body.message).toContain("Are you running multiple `npx convex dev` processes in the same directory?");
  expect([await client.query("rows:version"), await client.mutation("rows:write", { n: 1 })]).toEqual(["f", "f"]);
  // Sent twice, a push that took effect is answered twice.
  expect((await finish(started[0])).status).toBe(200);
});

test("E-D-11 P-I-4 pushes that run at the same time leave one of them, whole", async () => {
  using other = new ConvexApp(files("h"));
  app.write(files("i"));
  const results = await Promise.all([
    app.convex(backend, "deploy", "--typecheck", "disable"),
    other.convex(backend, "deploy", "--typecheck", "disable"),
  ]);
  expect(results.some(({ code }) => code === 0)).toBe(true);
  for (const { code, stderr } of results) {
    if (code !== 0) expect(stderr).toMatch(/overwritten by another push|Are you running multiple|changed during push/);
  }
  const version = await client.query("rows:version");
  expect(["h", "i"]).toContain(version);
  expect(await client.mutation("rows:write", { n: 1 })).toBe(version);
});
