import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { ConvexError } from "convex/values";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { Api, newGroup } from "../runtime/api.ts";
import { WAYS } from "./ways.ts";

let app: AppCopy;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "node-app"));
  backend = await startBackend({ app: app.path });
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

/** Lines of a function that has ended, as the function log has them: an action's come while it runs. */
async function printedBy(log: FunctionLog, identifier: string): Promise<string[]> {
  await log.completion(identifier);
  return log.seen
    .filter((entry) => entry.identifier === identifier)
    .flatMap(({ logLines }) => logLines as readonly { level: string; messages: readonly string[] }[])
    .map(({ level, messages }) => `[${level}] ${messages.join(" ")}`);
}

describe.each(WAYS)("%s", (_name, way) => {
  test("S0-27 P-F-10 S1-17 built-ins of Node work, and the version is one that Convex has", async () => {
    expect(await way.value(api, "work:builtins", { text: "x" })).toEqual({
      hash: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
      version: expect.stringMatching(/^v(20|22|24)\./),
      memory: true,
      read: "x",
    });
  });

  test("S0-2 the same body gives the same result in both runtimes", async () => {
    const args = (key: string) => ({
      key,
      bytes: new Uint8Array([1, 2, 255]).buffer,
      big: 2n ** 60n,
      nested: [{ a: 1.5 }],
    });
    const inNode = await way.value(api, "work:sameInNode", args(newGroup()));
    const inIsolate = await api.value("action", "notes:sameInIsolate", args(newGroup()));
    expect(inNode).toEqual(inIsolate);
    expect(inNode).toMatchObject({ text: ["same"], isString: true, big: 2n ** 60n + 1n, bytes: [1, 2, 255] });
    expect(inNode.thrown.data).toEqual({ reason: "refused", n: 1n });
  });

  test("S0-29 the directive counts in four spellings, and not in a comment or a string", async () => {
    const where = async (file: string) => await way.value(api, `forms/${file}:where`);
    expect(await Promise.all(["a", "b", "c", "d", "comment", "text"].map(where))).toEqual([
      ...Array(4).fill("string"),
      "undefined",
      "undefined",
    ]);
  });

  test("S0-44 results and arguments are checked like those of every action", async () => {
    expect(await way.error(api, "work:wrongReturn")).toContain("ReturnsValidationError");
    expect(await way.error(api, "work:builtins", { text: 1 })).toContain("ArgumentValidationError");
    expect(await way.error(api, "work:big", { bytes: 17 * 1024 * 1024 })).toMatch(/return value|too large/i);
  });

  test("S0-15 an action in Node reads its own writes, through internal functions too", async () => {
    expect(await way.value(api, "work:readsOwnWrites", { key: newGroup() })).toEqual([1, 2, 3]);
  });

  test("S4-7 runAction from Node to Node, internal ones too, up to the same depth", async () => {
    expect(await way.value(api, "work:callsHidden")).toBe("hidden");
    expect(await way.value(api, "work:nest", { depth: 3 })).toBe(3);
    expect(await way.error(api, "work:nest", { depth: 20 })).toContain("Cross component call depth limit exceeded");
  });

  test("S0-11 S0-14 function handles made in Node work there", async () => {
    expect(await way.value(api, "work:handles", { key: newGroup() })).toEqual([true, 1]);
  });

  test("S0-42 E-C-6 a thousand operations at once work, one more is refused with the text of Convex", async () => {
    const key = newGroup();
    expect(await way.value(api, "work:many", { key, operations: 1000 })).toEqual({ fulfilled: 1000, refused: [] });
    expect(await way.value(api, "work:many", { key, operations: 1001 })).toEqual({
      fulfilled: 1000,
      refused: [
        "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.",
      ],
    });
  });

  test("S0-20 an action in Node schedules mutations and Node actions, and cancels", async () => {
    const key = newGroup();
    expect(await way.value(api, "work:schedules", { key })).toBe("string");
    while ((await api.value("query", "notes:count", { key })) < 2) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const notes: { text: string }[] = await api.value("query", "notes:list", { key });
    expect(notes.map(({ text }) => text).toSorted()).toEqual(["from a Node job", "scheduled"]);
  });

  test("S0-45 S1-24 E-C-9 what nobody awaited gets a warning, and the call succeeds", async () => {
    const key = newGroup();
    const log = await FunctionLog.open(backend);
    expect(await way.value(api, "work:unawaited", { key })).toBe("returned");
    expect((await printedBy(log, "work:unawaited")).join("\n")).toContain(
      "You have an outstanding mutation call. Operations should be awaited or they might not run. " +
        "Not awaiting promises might result in unexpected failures. " +
        "See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
    );
    expect(await api.value("query", "notes:count", { key })).toBeLessThanOrEqual(1);
  });

  test("S0-27 E-C-10 lines are printed as in the default runtime, with their levels, up to 256", async () => {
    const log = await FunctionLog.open(backend);
    await way.value(api, "work:printing");
    expect(await printedBy(log, "work:printing")).toEqual([
      "[LOG] 'a line' { nested: [ 1, 'two' ] }",
      "[WARN] 'careful'",
      "[ERROR] 'shown'",
    ]);
    await way.value(api, "work:prints", { lines: 300 });
    const lines = await printedBy(log, "work:prints");
    expect(lines).toHaveLength(256);
    expect(lines.at(-1)).toContain("Log overflow (maximum 256). Remaining log lines omitted.");
  });

  test("E-A-13 E-A-14 the database and the scheduler of mutations are not there", async () => {
    expect(await way.value(api, "work:useDatabase")).toBe(
      "The Convex database object is being used outside of a Convex query or mutation. Did you mean to use `ctx.query` or `ctx.mutation` to access the database?",
    );
    expect(await way.value(api, "work:useScheduler")).toBe(
      "The mutation scheduler is being used outside of a Convex mutation. Did you mean to use `ctx.mutation` to access the database?",
    );
  });

  test("S0-44 an error keeps its name, its message and the lines of the sources", async () => {
    expect(await way.error(api, "work:throwPlain")).toMatch(/^Uncaught TypeError: plain trouble/);
    expect(await way.error(api, "work:unknownFunction")).toContain("Could not find");
    expect(await way.value(api, "work:catches", { key: newGroup() })).toEqual([true, "refused", 0]);
  });

  test("E-C-9c process.exit ends its call alone", async () => {
    const neighbour = way.value(api, "work:sleeps", { ms: 300 });
    expect(await way.error(api, "work:exits", { code: 3 })).toContain("process.exit() called with exit code 3");
    expect(await way.error(api, "work:exits")).toContain("process.exit() called with no exit code");
    expect(await neighbour).toBe("slept");
    expect(await way.value(api, "work:echo", { value: 1 })).toBe(1);
  });

  test("S0-46 E-C-9b what an earlier call left behind can't act for a later one", async () => {
    await way.value(api, "work:leavesCtx");
    const seen: unknown[] = [];
    // Whichever process answers; calls one after the other keep to few.
    while (seen.every((text) => text === null))
      seen.push(await way.value(api, "work:usesLeftCtx", { key: newGroup() }));
    expect(seen.at(-1)).toBe(
      "Leftover state detected. This typically happens if there are dangling promises from a previous request. Did you forget to await your promises?",
    );
  });

  test("S0-46 S1-24 a promise that rejects after its call has ended fails no other call", async () => {
    const pids = await Promise.all([1, 2].map(() => way.value(api, "work:rejectsLater", { ms: 5 })));
    expect(pids).toHaveLength(2);
    for (let i = 0; i < 5; i++) expect(await way.value(api, "work:sleeps", { ms: 10 })).toBe("slept");
  });

  test("E-F-6 arguments of more than 5 MiB are refused before anything runs", async () => {
    const value = "x".repeat(5 * 1024 * 1024);
    expect((await way.error(api, "work:echo", { value })).trim()).toBe(
      "Node actions arguments size is too large. The maximum size is 5 MiB. Reduce the size of the arguments or consider using Convex runtime actions instead, which have a 16 MiB limit. See https://docs.convex.dev/functions/runtimes",
    );
    expect((await way.value(api, "work:echo", { value: value.slice(100) })).length).toBe(value.length - 100);
  });
});

describe("running in Node", () => {
  test("S0-47 module state may live from call to call, and never goes back", async () => {
    const counts: number[] = [];
    for (let i = 0; i < 3; i++) counts.push((await api.value("action", "work:state"))[1]);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts[0]).toBeGreaterThan(0);
  });

  test("S0-44 an internal action is not there for clients, and an action is no query", async () => {
    expect(await api.error("action", "work:hidden")).toContain("Could not find public function for 'work:hidden'");
    expect(await api.error("query", "work:echo", { value: 1 })).toContain("as Query, but it is defined as Action");
  });

  test("S0-27 the official HTTP client calls it like any action", async () => {
    const client = new ConvexHttpClient(backend.url);
    expect(await client.action(anyApi.work!.echo!, { value: [1n, new ArrayBuffer(2), null] })).toEqual([
      1n,
      new ArrayBuffer(2),
      null,
    ]);
    expect(await client.action(anyApi.work!.none!, {})).toBeNull();
  });

  test("S0-27 a client on a WebSocket calls it like any action", async () => {
    const client = new ConvexClient(backend.url);
    try {
      expect(await client.action(anyApi.work!.echo!, { value: { a: [1n] } })).toEqual({ a: [1n] });
      await expect(client.action(anyApi.work!.throwPlain!, {})).rejects.toThrow("plain trouble");
    } finally {
      await client.close();
    }
  });
});

describe("operations", () => {
  test("S4-7 runAction from the default runtime to Node and back; each call has a log entry of its own", async () => {
    const log = await FunctionLog.open(backend);
    expect(await api.value("action", "notes:chain", { n: 7 })).toBe("node isolate 7");
    const names = ["notes:chain", "notes:isolate", "work:chain"];
    const entries = await Promise.all(names.map((name) => log.completion(name)));
    expect(entries.map((entry) => [entry.identifier, entry["environment"]])).toEqual([
      ["notes:chain", "isolate"],
      ["notes:isolate", "isolate"],
      ["work:chain", "node"],
    ]);
    expect(new Set(entries.map((entry) => entry.requestId)).size).toBe(1);
  });

  test("S4-7 metadata of the function, of the deployment and of the request", async () => {
    const answer = await api.call("action", "work:metadata", {}, { "user-agent": "tester" });
    expect(answer.value).toMatchObject({
      fn: { name: "work:metadata", componentPath: "" },
      deployment: { name: "convection" },
      request: { userAgent: "tester", authToken: null },
    });
  });
});

describe("failures", () => {
  test("S0-44 an error has its name, its message and the lines of the sources", async () => {
    expect(await api.error("action", "work:throwPlain")).toMatch(
      /^Uncaught TypeError: plain trouble\n {4}at inner \(\.\.\/convex\/work\.ts:\d+:\d+\)\n {4}at handler \(\.\.\/convex\/work\.ts:\d+:\d+\)\n/,
    );
    expect(await api.error("action", "work:unknownFunction")).toContain("Could not find");
  });

  test("S0-44 data of a ConvexError crosses to the client, to another runtime, and from a mutation", async () => {
    const client = new ConvexHttpClient(backend.url);
    const error = await client.action(anyApi.work!.throwData!, {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConvexError);
    expect(error).toMatchObject({ data: { code: "E1", count: 2n } });
    expect(await api.value("action", "notes:catchNode")).toMatchObject({ data: { code: "E1", count: 2n } });
    expect(await api.value("action", "work:catches", { key: newGroup() })).toEqual([true, "refused", 0]);
  });

  test("E-F-18 large arguments and results are warned of", async () => {
    const answer = await api.call("action", "work:echo", { value: "x".repeat(4_500_000) });
    expect(answer.logLines.join("\n")).toContain("Large size of the action arguments");
  });
});

describe("printing", () => {
  test("S0-27 lines are printed as in the default runtime, with their levels", async () => {
    const { logLines } = await api.call("action", "work:printing");
    expect(logLines).toEqual(["[LOG] 'a line' { nested: [ 1, 'two' ] }", "[WARN] 'careful'", "[ERROR] 'shown'"]);
  });

  test("E-C-10 256 lines are kept, and the last one says so", async () => {
    const { logLines } = await api.call("action", "work:prints", { lines: 300 });
    expect(logLines).toHaveLength(256);
    expect(logLines.at(-1)).toContain("Log overflow (maximum 256). Remaining log lines omitted.");
  });
});
