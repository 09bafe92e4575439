import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestBackend } from "../../support/backend.ts";
import { Api, type Kind, newGroup, startRuntimeApp } from "./api.ts";

let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  backend = await startRuntimeApp();
  api = new Api(backend);
});
afterAll(() => backend?.stop());

const ONLY_ACTIONS = (what: string) =>
  `Uncaught Error: Can't use ${what} in queries and mutations. Please consider using an action. ` +
  "See https://docs.convex.dev/functions/actions for more details.\n";

describe("kinds", () => {
  test.each<[Kind, string, string]>([
    ["query", "kinds:q", "query"],
    ["mutation", "kinds:m", "mutation"],
    ["action", "kinds:a", "action"],
  ])("P-F-1 a %s runs for everybody", async (kind, path, value) => {
    expect(await api.value(kind, path)).toBe(value);
  });

  test.each<[Kind, string, string]>([
    ["query", "kinds:iq", "internal query"],
    ["mutation", "kinds:im", "internal mutation"],
    ["action", "kinds:ia", "internal action"],
  ])("P-F-1 an internal %s runs for admins alone", async (kind, path, value) => {
    expect(await api.error(kind, path)).toBe(
      `Could not find public function for '${path}'. Did you forget to run \`npx convex dev\`?\n`,
    );
    const asAdmin = await api.call(kind, path, {}, api.asAdmin());
    expect(asAdmin.value).toBe(value);
  });

  test.each<[Kind, string, string]>([
    ["query", "kinds:m", "Trying to execute kinds.js:m as Query, but it is defined as Mutation.\n"],
    ["mutation", "kinds:a", "Trying to execute kinds.js:a as Mutation, but it is defined as Action.\n"],
    ["action", "kinds:q", "Trying to execute kinds.js:q as Action, but it is defined as Query.\n"],
    [
      "query",
      "kinds:helper",
      "Could not find public function for 'kinds:helper'. Did you forget to run `npx convex dev`?\n",
    ],
    [
      "query",
      "kinds:constant",
      "Could not find public function for 'kinds:constant'. Did you forget to run `npx convex dev`?\n",
    ],
  ])("P-F-1 a %s of %s is none", async (kind, path, error) => {
    expect(await api.error(kind, path)).toBe(error);
  });

  test("P-F-2 each kind has the members that are its own", async () => {
    expect(await api.value("query", "capabilities:queryKeys")).toEqual(["auth", "db", "meta", "runQuery", "storage"]);
    expect(await api.value("mutation", "capabilities:mutationKeys")).toEqual([
      "auth",
      "db",
      "meta",
      "runMutation",
      "runQuery",
      "scheduler",
      "storage",
    ]);
    expect(await api.value("action", "capabilities:actionKeys")).toEqual([
      "auth",
      "meta",
      "runAction",
      "runMutation",
      "runQuery",
      "scheduler",
      "storage",
      "vectorSearch",
    ]);
  });

  test("P-F-2 a query cannot write, not even by the syscall below the types, and an action has no database", async () => {
    expect(await api.error("query", "capabilities:writeInQuery")).toMatch(
      /^Uncaught Error: Queries can't write to the database\./,
    );
    expect(await api.value("query", "items:list", { group: "q" })).toEqual([]);
    expect(await api.value("action", "metadata:refusedInAction", { what: "db" })).toBe("undefined");
    expect(await api.value("action", "metadata:refusedInAction", { what: "get" })).toBe(
      "Unknown async operation 1.0/get",
    );
  });
});

describe.each<[Kind, string]>([
  ["query", "capabilities:inQuery"],
  ["mutation", "capabilities:inMutation"],
])("in a %s", (kind, path) => {
  test.each([
    ["fetch", "fetch()"],
    ["setTimeout", "setTimeout"],
    ["setInterval", "setInterval"],
    ["generateKey", "cryptographic randomness"],
    ["formData", "formData()"],
  ])("E-D-2 P-F-2 %s is refused", async (what, named) => {
    const error = await api.error(kind, path, { what });
    expect(error.startsWith(ONLY_ACTIONS(named))).toBe(true);
    expect(error).toMatch(/\n {4}at (async )?forbidden \(\.\.\/convex\/capabilities\.ts:\d+:\d+\)\n/);
  });

  test("E-D-2 a promise may be caught, a timer may not", async () => {
    expect(`Uncaught Error: ${await api.value(kind, path, { what: "caught fetch" })}\n`).toBe(ONLY_ACTIONS("fetch()"));
    const timer = await api.error(kind, path, { what: "caught setTimeout" });
    expect(timer.startsWith(ONLY_ACTIONS("setTimeout"))).toBe(true);
  });
});

test("E-D-7 a query and a mutation may not import when they run, not even a module of the app", async () => {
  for (const [kind, path] of [
    ["query", "capabilities:inQuery"],
    ["mutation", "capabilities:inMutation"],
  ] as const) {
    const error = await api.error(kind, path, { what: "import" });
    expect(error).toMatch(/^Uncaught TypeError: dynamic module import unsupported\n/);
  }
});

test("E-D-2b at import the clock stands, randomness is the deploy's, variables are there, and the rest is refused", async () => {
  expect(await api.value("query", "importing:seen")).toEqual({
    date: "allowed",
    random: "allowed",
    environment: "string",
    rejected: [
      "fetch() unsupported at import time",
      "Cannot use cryptographic randomness at import time",
      "Cannot call another function at import time",
      "Can't use database at import time",
    ],
  });
});

test("P-F-13 an action imports a bundled module when it runs", async () => {
  expect(await api.value("action", "capabilities:lateImport")).toBe("from late");
});

describe("calls within a transaction", () => {
  test("E-A-9 what a query or a mutation may not call", async () => {
    expect(await api.value("query", "nested:forbiddenFromQuery")).toEqual({
      mutation: "Cannot call a mutation function from a Query function",
      action: "Cannot call a action function from a Query function",
      query: '"query"',
      wrongKind: "Trying to execute kinds.js:m as Query, but it is defined as Mutation.",
    });
    expect(await api.value("mutation", "nested:forbiddenFromMutation")).toEqual({
      action: "Cannot call a action function from a Mutation function",
      mutation: '"internal mutation"',
      missing: "Could not find public function for 'kinds:nope'. Did you forget to run `npx convex dev`?",
    });
  });

  test("E-A-10 calls nest eight deep and no deeper, in queries and mutations", async () => {
    const text = "Cross component call depth limit exceeded. Do you have an infinite loop in your app?";
    expect(await api.value("query", "nested:recurse", { depth: 8 })).toBe(8);
    expect(await api.error("query", "nested:recurse", { depth: 9 })).toContain(text);
    expect(await api.error("mutation", "nested:recurseForever")).toContain(text);
    expect(await api.value("action", "nested:recurseActions", { depth: 8 })).toBe(8);
    expect(await api.error("action", "nested:recurseActions", { depth: 9 })).toContain(text);
  });

  test("P-F-24 a nested mutation that fails takes back its own writes only, if it is caught", async () => {
    const group = newGroup();
    expect(await api.value("mutation", "nested:partialRollback", { group })).toEqual({
      failed: expect.stringMatching(/^Uncaught Error: inner failed\n/),
      seen: [1],
    });
    expect(await api.value("query", "items:list", { group })).toEqual([1, 3]);
  });

  test("P-F-24 uncaught, it takes everything with it", async () => {
    const group = newGroup();
    expect(await api.error("mutation", "nested:uncaughtInner", { group })).toMatch(
      /^Uncaught Error: Uncaught Error: inner failed\n/,
    );
    expect(await api.value("query", "items:list", { group })).toEqual([]);
  });

  test("P-F-21 a nested call has a budget of its own, and going over it is caught", async () => {
    const group = newGroup();
    await api.value("mutation", "items:addMany", { group, count: 5 });
    expect(await api.value("mutation", "nested:budgets", { group })).toEqual({
      read: expect.stringMatching(
        /^Uncaught Error: Too many documents read in a single function execution \(limit: 2\)\./,
      ),
      write: expect.stringMatching(/^Uncaught Error: Too many writes in a single function execution \(limit: 2\)\n/),
      within: 5,
    });
    expect(await api.value("query", "items:list", { group })).toEqual([0, 1, 2, 3, 4]);
  });

  test("P-F-22 a stale snapshot shows the state before the mutation, and only mutations have one", async () => {
    const group = newGroup();
    expect(await api.value("mutation", "nested:staleSnapshot", { group })).toEqual({ fresh: [1], stale: [] });
    expect(await api.error("query", "nested:staleInQuery")).toMatch(
      /^Uncaught Error: `useStaleSnapshot` is only supported in mutations, not queries\.\n/,
    );
  });
});

describe("metadata", () => {
  test("P-F-20 queries and mutations see what they used and what is left", async () => {
    const group = newGroup();
    await api.value("mutation", "items:addMany", { group, count: 3 });
    const { before, after } = await api.value("query", "nested:metrics", { group });
    expect(Object.keys(before).toSorted()).toEqual([
      "bytesRead",
      "bytesWritten",
      "databaseQueries",
      "documentsRead",
      "documentsWritten",
      "fileReadBytes",
      "fileWriteBytes",
      "filesRead",
      "filesWritten",
      "functionsScheduled",
      "scheduledFunctionArgsBytes",
    ]);
    expect(before.documentsRead).toEqual({ used: 0, remaining: 32_000 });
    expect(after).toMatchObject({
      documentsRead: { used: 3, remaining: 31_997 },
      databaseQueries: { used: 1, remaining: 4095 },
    });
    expect(after.bytesRead.used).toBeGreaterThan(0);
    expect(await api.value("mutation", "nested:metricsInMutation", { group })).toEqual({ used: 1, remaining: 15_999 });
  });

  test("E-D-9 P-F-20 an action has no transaction to measure", async () => {
    expect(await api.value("action", "metadata:refusedInAction", { what: "metrics" })).toBe(
      "getTransactionMetrics() can only be called from a query or mutation. " +
        "It is not available in actions or outside of a Convex function.",
    );
  });

  test("P-F-19 a function learns its name, kind and visibility, its deployment, and who asked", async () => {
    const [name] = backend.adminKey.split("|");
    const deployment = { name, region: null, class: "s16" };
    const own = (of: string, type: string, visibility: string) => ({
      name: `metadata:${of}`,
      componentPath: "",
      type,
      visibility,
    });
    expect(await api.value("query", "metadata:inQuery")).toEqual({
      function: own("inQuery", "query", "public"),
      deployment,
      request: "undefined",
    });
    const headers = { "user-agent": "the test", "convex-request-id": "feedfacefeedface" };
    const request = {
      ip: expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
      userAgent: "the test",
      requestId: "feedfacefeedface",
      scheduledFunctionId: null,
      authToken: null,
    };
    const inMutation = await api.call("mutation", "metadata:inMutation", {}, headers);
    expect(inMutation.value).toEqual({ function: own("inMutation", "mutation", "public"), deployment, request });
    const inAction = await api.call("action", "metadata:inAction", {}, headers);
    expect(inAction.value).toEqual({
      function: own("inAction", "action", "public"),
      deployment,
      request,
      nested: { function: own("internalOne", "mutation", "internal"), request },
      nestedAction: request,
    });
  });

  test("E-D-10 an action has no audit log; elsewhere it takes what it is given", async () => {
    expect(await api.error("action", "services:auditInAction")).toMatch(
      /^Uncaught Error: Audit logging is not yet supported in actions\n/,
    );
    expect(await api.value("mutation", "services:auditInMutation")).toBeNull();
    expect(await api.value("query", "services:auditInQuery")).toBeNull();
  });

  test("P-F-27 E-G-9 services of Convex Cloud are refused in clear words", async () => {
    expect(await api.value("action", "services:tokens")).toEqual({
      token:
        '`getServiceToken("ai-gateway")` isn\'t available on this deployment because the AI gateway is a Convex Cloud ' +
        "service. Deploy to Convex Cloud, or call your model provider directly with your own API key.",
      url: expect.stringContaining(
        "isn't available on this deployment because the AI gateway is a Convex Cloud service.",
      ),
    });
  });
});

describe("time and randomness", () => {
  test.each<[Kind, string]>([
    ["query", "determinism:inQuery"],
    ["mutation", "determinism:inMutation"],
  ])("P-F-8 in a %s the clock stands and randomness is drawn from one seed", async (kind, path) => {
    const { first, second, performance, importTime, importRandom } = await api.value(kind, path, { salt: 1 });
    expect([first.date, second.now, second.date]).toEqual([first.now, first.now, first.now]);
    expect(second.random).not.toBe(first.random);
    expect(second.uuid).not.toBe(first.uuid);
    expect(importTime).toBeLessThan(first.now);
    if (kind === "query") expect(performance[1]).toBe(performance[0]);
    else expect(performance[1]).toBeGreaterThan(performance[0]);
    const again = await api.value(kind, path, { salt: 2 });
    expect(again.first.random).not.toBe(first.random);
    // What a module draws when it is loaded is fixed when it is deployed.
    expect(again).toMatchObject({ importTime, importRandom });
  });

  test("P-F-8 a nested call has the clock of its caller and randomness of its own", async () => {
    const { own, a, b } = await api.value("mutation", "determinism:nested");
    expect([a.now, b.now]).toEqual([own.now, own.now]);
    expect(new Set([own.random, a.random, b.random]).size).toBe(3);
  });

  test("P-F-9 in an action time passes and randomness is real", async () => {
    const { first, second, performance } = await api.value("action", "determinism:inAction", { salt: 1 });
    expect(second.now).toBeGreaterThan(first.now);
    expect(performance[1]).toBeGreaterThan(performance[0]);
    const again = await api.value("action", "determinism:inAction", { salt: 1 });
    expect(new Set([first, second, again.first, again.second].map(({ uuid }) => uuid)).size).toBe(4);
    expect(again.first.random).not.toBe(first.random);
  });
});

describe("the runtime's own APIs", () => {
  test("P-F-7 every global of the runtime is there and those of other hosts are not", async () => {
    const { present, absent, process } = await api.value("query", "globals:presence");
    const objects = ["crypto", "performance", "process", "WebAssembly", "console", "self", "Intl"];
    expect(Object.keys(present)).toHaveLength(43);
    for (const [name, type] of Object.entries(present)) {
      expect([name, type]).toEqual([name, objects.includes(name) ? "object" : "function"]);
    }
    expect(absent).toEqual({});
    expect(process).toEqual(["env"]);
  });

  test("P-F-7 and they work in an action", async () => {
    expect(await api.value("action", "globals:probe")).toEqual({
      decoded: "héllo",
      base64: "abc",
      sha256: "3c48591d8d098a4538f5e013dfcf406e948eac4d3277b10bf614e295d6068179",
      verified: true,
      form: ["1", ["a.txt", "text/plain", "abc"]],
      blob: "ab",
      headers: ["a=1", "b=2"],
      request: ["POST"],
      response: { ok: true },
      stream: "héllo",
      events: ["ping"],
      url: "http://h:1/b?c=1#d",
      params: "a=1+2",
      clone: { d: [1, { e: 2n }] },
      aborted: [true, "Error: stop"],
      elapsed: true,
      stored: "inside",
      imported: true,
      wasm: 5,
    });
  });
});

describe("commit timestamps", () => {
  test("P-F-23 become the same rising int64 in the row, in the result and for the next reader", async () => {
    const group = newGroup();
    const first = await api.value("mutation", "stamps:stamp", { group });
    const second = await api.value("mutation", "stamps:stamp", { group });
    expect(typeof first.at).toBe("bigint");
    expect(second.at > first.at && first.at > first.snapshot && second.snapshot >= first.at).toBe(true);
    const { at, snapshot } = await api.value("query", "stamps:list", { group });
    expect(at).toEqual([first.at, second.at]);
    expect(snapshot >= second.at).toBe(true);
  });

  test("P-F-23 a mutation hands its timestamp to the functions it runs", async () => {
    const group = newGroup();
    const returned = await api.value("mutation", "stamps:stampNested", { group });
    expect((await api.value("query", "stamps:list", { group })).at).toEqual([returned]);
  });

  test.each<[Kind, string]>([
    ["mutation", "stamps:accept"],
    ["query", "stamps:acceptQuery"],
    ["action", "stamps:acceptAction"],
  ])("EXE8 P-F-23 a client passes none to a %s", async (kind, path) => {
    const answer = await api.post(kind, { path, args: { at: [{ $commitTs: null }] }, format: "convex_encoded_json" });
    const function_ = path.replace(":", ".js:");
    expect(answer.error).toBe(
      `Invalid arguments for ${function_}: an unresolved commit timestamp can be passed only from a mutation to the functions it runs\n`,
    );
  });

  test("E-E-7 its value cannot be looked at before the commit", async () => {
    const text =
      "Uncaught Error: This commit timestamp is unresolved: its value is assigned when the mutation commits. " +
      "Read the document after the mutation completes to get its value.\n";
    for (const how of ["number", "json"]) {
      expect((await api.error("mutation", "stamps:coerced", { how })).startsWith(text)).toBe(true);
    }
  });
});
