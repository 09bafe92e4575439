import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IMPORT_TIME, IsolateFixture, NOW, SEED } from "./support.ts";

let isolate: IsolateFixture;
beforeAll(async () => {
  isolate = await IsolateFixture.start();
});
afterAll(() => isolate.dispose());

const REFUSAL =
  "in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.";

describe("globals", () => {
  test.each(["query", "action"] as const)(
    "P-F-7 the documented globals exist in a %s and the others do not",
    async (kind) => {
      const name = kind === "query" ? "globals:environmentQuery" : "globals:environmentAction";
      const { types, processKeys, consoleKeys, selfIsGlobal } = await isolate.value(kind, name);
      const absent = Object.entries(types).filter(([, type]) => type === "undefined");
      expect(absent.map(([key]) => key)).toEqual(
        [
          "window",
          "document",
          "queueMicrotask",
          "setImmediate",
          "Buffer",
          "require",
          "navigator",
          "WebSocket",
          "MessageChannel",
          "XMLHttpRequest",
          "global",
          "caches",
          "WebSocketPair",
          "HTMLRewriter",
          "scheduler",
          "Cloudflare",
        ].toSorted(),
      );
      expect(processKeys).toEqual(["env"]);
      expect(consoleKeys).toEqual(["debug", "error", "info", "log", "time", "timeEnd", "timeLog", "trace", "warn"]);
      expect(selfIsGlobal).toBe(true);
    },
  );

  test("ISO1 the import phase has a fixed clock, fixed randomness and the variables of the app", async () => {
    const seen = await isolate.value("query", "globals:importPhase");
    expect(seen).toMatchObject({
      now: IMPORT_TIME,
      date: IMPORT_TIME,
      performance: 0,
      timeOrigin: IMPORT_TIME,
      greeting: "hello",
    });
    const again = await isolate.value("action", "globals:importPhase".replace("importPhase", "environmentAction"));
    expect(again).toBeDefined();
    expect(seen.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const second = await IsolateFixture.start();
    try {
      const reloaded = await second.value("query", "globals:importPhase");
      expect([reloaded.random, reloaded.uuid, reloaded.bytes]).toEqual([seen.random, seen.uuid, seen.bytes]);
    } finally {
      await second.dispose();
    }
  });

  test("E-D-2b what import may not do fails with its text", async () => {
    const { importErrors } = await isolate.value("query", "globals:importPhase");
    expect(importErrors).toEqual({
      fetch: "fetch() unsupported at import time",
      formData: "formData() unsupported at import time",
      generateKey: "Cannot use cryptographic randomness at import time",
      digest: 32,
      get: "Can't use database at import time",
      runQuery: "Cannot call another function at import time",
      identity: "1.0/getUserIdentity unsupported at import time",
      queryStream: "Can't use database at import time",
      snapshot: "Syscall 1.0/getSnapshotTs unsupported at import time",
      componentArg: "Can't use `componentArg` at import time",
    });
  });
});

describe("determinism", () => {
  test.each(["query", "mutation"] as const)(
    "P-F-8 a %s repeats itself with its seed and differs with another",
    async (kind) => {
      const name = kind === "query" ? "globals:determinismQuery" : "globals:determinismMutation";
      const [a, b, other] = await Promise.all([
        isolate.value(kind, name),
        isolate.value(kind, name),
        isolate.value(kind, name, {}, { seed: "f".repeat(32) }),
      ]);
      expect(b.first).toEqual(a.first);
      expect(b.later).toEqual(a.later);
      expect(other.first.random).not.toEqual(a.first.random);
      expect(other.first.uuid).not.toEqual(a.first.uuid);
      expect(a.first.now).toBe(NOW);
      expect(a.later.slice(1)).toEqual([NOW, NOW]);
      expect(a.performance[1]).toBe(IMPORT_TIME);
      if (kind === "query") expect(a.performance[0]).toBe(NOW - IMPORT_TIME);
      else expect(a.performance[0]).toBeGreaterThanOrEqual(NOW - IMPORT_TIME);
    },
  );

  test("P-F-9 actions see the real clock and real randomness", async () => {
    const [a, b] = await Promise.all([
      isolate.value("action", "globals:determinismAction"),
      isolate.value("action", "globals:determinismAction"),
    ]);
    expect(b.first.random).not.toEqual(a.first.random);
    expect(b.first.uuid).not.toEqual(a.first.uuid);
    expect(b.first.bytes).not.toEqual(a.first.bytes);
    expect(Math.abs(a.first.now - Date.now())).toBeLessThan(60_000);
  });

  test("P-F-8 interleaved calls draw from their own generators", async () => {
    const alone = await isolate.value("query", "globals:interleaved");
    const [same, other, third] = await isolate.runAll([
      { kind: "query", name: "globals:interleaved", seed: SEED },
      { kind: "query", name: "globals:interleaved", seed: "1".repeat(32) },
      { kind: "query", name: "globals:interleaved", seed: SEED },
    ]);
    expect(same?.value).toEqual(alone);
    expect(third?.value).toEqual(alone);
    expect(other?.value).not.toEqual(alone);
    expect(new Set(alone).size).toBe(5);
    for (const drawn of alone) expect(drawn >= 0 && drawn < 1).toBe(true);
  });

  test("ISO2 what a query observed of clock and randomness is reported", async () => {
    const plain = await isolate.run("query", "database:noValue");
    expect(plain.observed).toEqual({ time: false, randomness: false });
    const both = await isolate.run("query", "globals:determinismQuery");
    expect(both.observed).toEqual({ time: true, randomness: true });
    const random = await isolate.run("query", "globals:interleaved");
    expect(random.observed).toEqual({ time: false, randomness: true });
  });

  test("ISO3 Date keeps the semantics of the class on a frozen clock in UTC", async () => {
    const iso = new Date(NOW);
    expect(await isolate.value("query", "globals:dates")).toEqual({
      withoutNew: "string",
      withoutNewIsNow: true,
      fromParts: "2020-02-29T12:00:00.000Z",
      fromString: Date.UTC(2021, 4, 6, 7, 8, 9),
      copy: 5,
      utc: Date.UTC(2020, 0, 1),
      parse: 1000,
      name: "Date",
      length: 7,
      instance: true,
      constructor: true,
      subclass: [2, true, NOW],
      offset: 0,
      zone: "UTC",
      format: new Intl.DateTimeFormat("en", {
        year: "numeric",
        month: "numeric",
        day: "numeric",
        timeZone: "UTC",
      }).format(iso),
      parts: String(iso.getUTCFullYear()),
      toLocale: iso.toLocaleDateString("en", { timeZone: "UTC" }),
      file: NOW,
      fileIs: true,
      mark: NOW - IMPORT_TIME,
      measure: 0,
    });
  });
});

describe("by kind", () => {
  test.each(["query", "mutation"] as const)("E-D-2 a %s may not use what only actions have", async (kind) => {
    const name = kind === "query" ? "globals:refusedQuery" : "globals:refusedMutation";
    expect(await isolate.value(kind, name)).toEqual({
      fetch: `Error: Can't use fetch() ${REFUSAL}`,
      formData: `Error: Can't use formData() ${REFUSAL}`,
      generateKey: `Error: Can't use cryptographic randomness ${REFUSAL}`,
      ecdsaSign: `Error: Can't use cryptographic randomness ${REFUSAL}`,
      hmacSign: 32,
      digest: 32,
      store: `Error: Can't use storage.store() ${REFUSAL}`,
    });
  });

  test("P-F-7 an action may use all of it", async () => {
    expect(await isolate.value("action", "globals:allowedAction")).toEqual({
      fetch: 200,
      formData: "1",
      generateKey: null,
      ecdsaSign: 64,
      hmacSign: 32,
      digest: 32,
      store: "blob0:unchecked",
    });
  });

  test.each([
    ["setTimeout", `Can't use setTimeout ${REFUSAL}`],
    ["setInterval", `Can't use setInterval ${REFUSAL}`],
    ["abortTimeout", `Can't use setTimeout ${REFUSAL}`],
    ["structuredClone", "structuredClone with transfer not supported"],
    ["jsSyscall", "Unknown JS syscall: no/such"],
  ])("E-D-2 %s fails a mutation whatever it catches, before its next write", async (api, message) => {
    const report = await isolate.run("mutation", "globals:uncatchable", { api });
    expect(report.ok).toBe(false);
    expect(report.error).toMatchObject({ name: "Error", message, fatal: "forbidden" });
    expect(report.batches).toEqual([]);
  });

  test("ISO4 structuredClone without options clones", async () => {
    expect(await isolate.value("query", "globals:cloned")).toBe(5);
  });

  test("ISO5 getRandomValues refuses floats and more than 65536 bytes", async () => {
    const [float, tooMany, most] = await isolate.value("query", "globals:randomValueErrors");
    expect(float).toMatch(/^TypeMismatchError: /);
    expect(tooMany).toMatch(/^QuotaExceededError: /);
    expect(most).toBe(65536);
  });

  test("ISO6 process.env answers by name only, for the component that runs", async () => {
    expect(await isolate.value("query", "globals:environmentVariables")).toEqual({
      greeting: "hello",
      url: "http://cloud",
      unknown: null,
      keys: [],
      has: false,
      inspect: "function",
      invalid:
        "Error: The environment variable name not valid is invalid. Environment variable names must begin with a letter " +
        "and may only include characters a-z, A-Z, 0-9, and underscores.",
      long: `Error: The environment variable name ${"X".repeat(257)} is too long. Environment variable names must be less than 256.`,
    });
    const child = await isolate.value("query", "globals:environmentVariables", {}, { component: "child" });
    expect([child.greeting, child.url]).toEqual(["child", null]);
    const other = await isolate.value("query", "globals:environmentVariables", {}, { component: "stranger" });
    expect(other.greeting).toBeNull();
  });

  test("ISO7 WeakRef holds strongly and FinalizationRegistry is silent", async () => {
    expect(await isolate.value("query", "globals:weak")).toEqual([
      true,
      false,
      "[object WeakRef]",
      "[object FinalizationRegistry]",
    ]);
  });

  test("P-F-7 AsyncLocalStorage of user code follows awaits and syscalls", async () => {
    expect(await isolate.value("query", "globals:asyncLocalStorage")).toEqual([
      [1, "a"],
      [2, "b"],
      [3, null],
    ]);
  });

  test("P-F-7 ISO45 AsyncLocalStorage enters, leaves, is bound and disabled, as in Node", async () => {
    const result = [null, "call", "entered!", null, "call", [1, "bound"], [2, "bound"], null, "again", null, "default"];
    for (let call = 0; call < 2; call++) {
      // oxlint-disable-next-line no-await-in-loop -- the second finds nothing of the first
      expect(await isolate.value("query", "globals:enteredStorage")).toEqual([
        ...result,
        "job",
        "[object AsyncLocalStorage]",
      ]);
    }
  });

  test("ISO46 what calls share to reach their host no call can break for the others", async () => {
    expect(await isolate.value("query", "globals:breakConvex")).toEqual(["TypeError", "TypeError", "TypeError"]);
    expect(await isolate.value("query", "globals:asyncLocalStorage")).toHaveLength(3);
  });

  test("ISO47 how stacks are made is a call's own, also of a call within another", async () => {
    for (let call = 0; call < 2; call++) {
      // oxlint-disable-next-line no-await-in-loop -- the second finds nothing of the first
      expect(await isolate.value("mutation", "globals:stackSettings")).toEqual([10, true, 10, "undefined", 1, false]);
    }
  });

  test("ISO8 counted buffers behave like the platform's", async () => {
    expect(await isolate.value("query", "globals:buffers")).toEqual({
      instance: [true, true, true],
      constructor: [true, true, true],
      names: ["Uint8Array", 3, 1, true],
      from: [1, 2, 3],
      of: [7, 8],
      subclass: [6, 9, true],
      slice: [0, 0, 0, 0],
      view: 1,
      parent: true,
      withoutNew: "TypeError: Constructor Uint8Array requires 'new'",
      fill: 5000,
      arrayFrom: 4999,
      repeat: 40_000,
      pad: 20_000,
    });
  });

  test("ISO9 Request and Response deviate as documented", async () => {
    const range = "RangeError: Failed to construct 'Response': The status provided is outside the range [200, 599].";
    expect(await isolate.value("action", "globals:responses")).toEqual({
      error: 500,
      tooSmall: range,
      tooBig: range,
      fine: 201,
      instance: true,
      lenient: "http://x/",
    });
  });

  test("P-F-7 WebAssembly and new Function work at import", async () => {
    expect(await isolate.value("query", "wasm:add", { a: 2, b: 3 })).toBe(10);
  });

  test("REALM8 who asks at import whether functions can be made from strings hears what holds in calls", async () => {
    expect(await isolate.value("query", "wasm:asks")).toEqual({
      asked: [false, false, false],
      global: true,
      constructed: true,
      made: "EvalError: Code generation from strings disallowed for this context",
    });
  });

  test.each([
    ["query", "wasm:inQuery"],
    ["action", "wasm:inAction"],
  ] as const)("REALM7 a %s makes the WebAssembly that its code spells out", async (kind, path) => {
    expect(await isolate.value(kind, path, { a: 2, b: 3 })).toEqual({
      sum: 5,
      again: 5,
      exports: [{ name: "plus", kind: "function" }],
      instances: true,
      fresh: true,
      unknown: expect.stringContaining("CompileError") as unknown,
    });
  });
});
