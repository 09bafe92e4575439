import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IsolateFixture } from "./support.ts";

let isolate: IsolateFixture;
beforeAll(async () => {
  isolate = await IsolateFixture.start();
});
afterAll(() => isolate.dispose());

describe("thrown values", () => {
  test.each([
    ["error", "Error", "boom"],
    ["custom", "CustomError", "special"],
    ["noMessage", "TypeError", ""],
    ["string", "", "just a string"],
    ["number", "", "42"],
    ["undefined", "", "undefined"],
    ["object", "", "#<Object>"],
    ["array", "", "[object Array]"],
    ["instance", "", "#<Thing>"],
    ["getter", "Error", ""],
  ])("ISO24 %s leaves the isolate as name and message", async (what, name, message) => {
    const { error } = await isolate.run("query", "failures:throws", { what });
    expect(error).toMatchObject({ name, message });
    expect(error?.data).toBeUndefined();
    expect(error?.whole).toBeUndefined();
    if (name !== "") expect(error?.stack).toMatch(/\n {4}at .*app\/failures\.js:\d+:\d+/);
  });

  test("ISO24 a message is cut at 64 KiB", async () => {
    const { error } = await isolate.run("query", "failures:throws", { what: "long" });
    expect(Buffer.byteLength(error?.message ?? "")).toBe(64 * 1024);
  });

  test.each(["query", "action"] as const)("P-F-16 a ConvexError keeps its data in a %s", async (kind) => {
    const name = kind === "query" ? "failures:throws" : "failures:throwsInAction";
    const { error } = await isolate.run(kind, name, { what: "convexError" });
    expect(error?.name).toBe("ConvexError");
    expect(JSON.parse(error?.data ?? "")).toEqual({ code: { $integer: "BwAAAAAAAAA=" }, nested: [1, "x"] });
    const plain = await isolate.run(kind, name, { what: "convexString" });
    expect([plain.error?.message, plain.error?.data]).toEqual(["plain", '"plain"']);
  });

  test("P-F-16 data that is no Convex value is an ordinary error", async () => {
    const { error } = await isolate.run("query", "failures:throws", { what: "convexBad" });
    expect(error?.data).toBeUndefined();
    expect(error?.message).toContain("is not a supported Convex type");
  });

  test("ISO25 failures of syscalls are catchable, with the data of a ConvexError", async () => {
    expect(await isolate.value("query", "failures:caught")).toEqual(["get failed", false]);
    expect(await isolate.value("query", "failures:caughtConvexError")).toEqual([
      "nested",
      true,
      { $integer: "BwAAAAAAAAA=" },
    ]);
  });
});

test("ISO41 when the host fails there is no outcome of the function, whatever it catches", async () => {
  const report = await isolate.run("query", "database:get", { id: "hostFails" });
  expect(report.result).toBeUndefined();
  expect(report.thrown).toContain("the host is gone");
});

describe("rejections nobody handles", () => {
  test("ISO26 fail the function, catchable nowhere", async () => {
    const report = await isolate.run("mutation", "failures:strayRejection");
    expect(report.ok).toBe(false);
    expect(report.error).toMatchObject({ name: "Error", message: "stray" });
    const action = await isolate.run("action", "failures:strayInAction");
    expect(action.error?.message).toBe("stray in action");
  });

  test.each([0, 1, 10, 20])(
    "ISO26 of an action count when %i microtasks passed since it settled",
    async (microtasks) => {
      const { error } = await isolate.run("action", "failures:strayAfterSettling", { microtasks });
      expect(error?.message).toBe("stray after settling");
    },
  );

  test("ISO26 of a syscall count as well", async () => {
    const { error } = await isolate.run("query", "failures:straySyscall");
    expect(error?.message).toBe("get failed");
  });

  test("ISO26 are blamed on the call they belong to", async () => {
    const reports = await isolate.runAll(
      [null, "one", null, "two", null].map((stray) => ({
        kind: "query" as const,
        name: "failures:strayAfterAwait",
        args: { stray },
      })),
    );
    expect(reports.map(({ ok, value, error }) => (ok === true ? value : error?.message))).toEqual([
      "fine",
      "stray one",
      "fine",
      "stray two",
      "fine",
    ]);
  });

  test("ISO26 count only when still unhandled once the microtasks have drained", async () => {
    expect(await isolate.value("query", "failures:handledLate")).toBe("fine");
  });
});

test.each([{ interval: false }, { interval: true }])(
  "ISO26 S0-2 what a timer's callback throws fails the action, as it does in Node: %o",
  async (args) => {
    const { ok, error } = await isolate.run("action", "failures:throwsInTimer", args);
    expect(ok).toBe(false);
    expect(error).toMatchObject({ name: "Error", message: "thrown in a timer" });
  },
);

describe("calls that do not end", () => {
  test.each([
    ["query", "failures:neverResolves"],
    ["query", "failures:neverAfterRead"],
    ["action", "failures:neverInAction"],
  ] as const)("ISO27 a %s that waits for nothing fails (%s)", async (kind, name) => {
    const { error } = await isolate.run(kind, name);
    expect(error).toEqual({
      name: "",
      message: "Returned promise will never resolve",
      whole: true,
      fatal: "neverResolves",
    });
  });

  test("ISO27 promises of the platform are waited for", async () => {
    expect(await isolate.value("query", "failures:platformPromises")).toEqual(["body", "abc", "def"]);
  });

  test.each([{ awaiting: true }, { awaiting: false }, { awaiting: true, catching: true }])(
    "E-C-3 JavaScript over its time fails the function afterwards: %o",
    async (args) => {
      const options = { limits: { userTimeMs: 1 } };
      const { error } = await isolate.run("query", "failures:spin", { rounds: 3e7, ...args }, options);
      expect(error).toEqual({
        name: "",
        message: "Function execution timed out (maximum duration: 0.001s)",
        whole: true,
        fatal: "timeout",
      });
    },
  );

  test("E-C-3 the text names the limit in seconds, and within it nothing happens", async () => {
    expect(await isolate.value("query", "failures:spin", { rounds: 10, awaiting: true })).toBe(true);
  });
});

describe("memory", () => {
  const MEGABYTE = 1024 * 1024;
  const OUT_OF_MEMORY = {
    name: "",
    message: "JavaScript execution ran out of memory (maximum memory usage: 64 MB)",
    whole: true,
    fatal: "memory",
  };

  test.each(["ArrayBuffer", "Uint8Array", "Float64Array", "copy", "fill", "from", "repeat", "padEnd"])(
    "E-C-5 %s beyond the limit fails the call even if it catches",
    async (how) => {
      const options = { limits: { memoryBytes: 4 * MEGABYTE, userTimeMs: 60_000 } };
      const args = { how, bytes: MEGABYTE / 4 };
      const within = await isolate.run("query", "failures:allocateQuery", { ...args, times: 10 }, options);
      expect(within.value).toBe("allocated");
      const { error } = await isolate.run("query", "failures:allocateQuery", { ...args, times: 20 }, options);
      expect(error).toEqual({ ...OUT_OF_MEMORY, message: OUT_OF_MEMORY.message.replace("64", "4") });
    },
  );

  test("E-C-5 one allocation too large is enough, and other calls go on", async () => {
    const [bad, good] = await isolate.runAll([
      { kind: "action", name: "failures:allocateAction", args: { how: "Uint8Array", bytes: 65 * MEGABYTE, times: 1 } },
      { kind: "action", name: "failures:allocateAction", args: { how: "Uint8Array", bytes: MEGABYTE, times: 30 } },
    ]);
    expect(bad?.error).toEqual(OUT_OF_MEMORY);
    expect(good?.value).toBe("allocated");
  });

  test("E-C-5 the text names the limit of the call", async () => {
    const options = { limits: { memoryBytes: 8 * MEGABYTE } };
    const args = { how: "Uint8Array", bytes: MEGABYTE, times: 9 };
    const { error } = await isolate.run("query", "failures:allocateQuery", args, options);
    expect(error?.message).toBe("JavaScript execution ran out of memory (maximum memory usage: 8 MB)");
  });

  test("E-C-5 memory that was collected is not counted", async () => {
    const args = { bytes: MEGABYTE, times: 200 };
    expect(await isolate.value("action", "failures:allocateAndDrop", args)).toBe(200 * MEGABYTE);
  });
});

describe("look-up", () => {
  test.each([
    ["query", "failures:nope", 'Couldn\'t find "nope" in module "failures.js".'],
    ["query", "failures:toString", 'Couldn\'t find "toString" in module "failures.js".'],
    ["query", "failures:notAFunction", 'Couldn\'t find "notAFunction" in module "failures.js".'],
    ["query", "nope:f", "Couldn't find JavaScript module 'nope.js'. Did you forget to run `npx convex dev`?"],
    [
      "query",
      "failures:unwrapped",
      "Function failures.js:unwrapped is neither a query or mutation. Did you forget to wrap it with `query` or `mutation`?",
    ],
    [
      "query",
      "failures:wrongKindMutation",
      "Function failures.js:wrongKindMutation is registered as a mutation but is being run as a query.",
    ],
    [
      "mutation",
      "failures:wrongKindQuery",
      "Function failures.js:wrongKindQuery is registered as a query but is being run as a mutation.",
    ],
    ["query", "topLevelAwait:fine", "Top-level awaits in source files are unsupported"],
  ] as const)("E-A-2 a %s %s: %s", async (kind, name, message) => {
    const { error } = await isolate.run(kind, name);
    expect(error).toEqual({ name: "", message, whole: true });
  });

  test("ISO28 a module that fails to import fails the calls to it, with its own error, and no others", async () => {
    const broken = await isolate.run("query", "broken:fine");
    expect(broken.error).toMatchObject({ name: "Error", message: "broken at import" });
    expect(broken.error?.stack).toContain("app/broken.js");
    const timer = await isolate.run("query", "timerAtImport:fine");
    expect(timer.error?.message).toBe("setTimeout unsupported at import time");
    expect(await isolate.value("query", "database:noValue")).toBeNull();
  });
});
