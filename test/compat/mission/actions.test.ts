import { join } from "node:path";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { actionCallers, ApiClient, errorOf, type Kind, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { ThirdParty } from "../../support/third-party.ts";

/** The page "Actions" of today: default runtime, black box. */

let app: AppCopy;
let backend: TestBackend;
let service: ThirdParty;
let api: ApiClient;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "mission-app"));
  service = await ThirdParty.start();
  backend = await startBackend({ app: app.path });
  api = new ApiClient(backend);
});

afterAll(async () => {
  await backend?.stop();
  await service?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
});

/** Tests share the backend and must not see each other's notes. */
let channels = 0;
function newChannel(): string {
  return `channel ${++channels}`;
}

async function notes(channel: string): Promise<unknown> {
  return valueOf(api.query("notes:list", { channel }));
}

async function everywhere(path: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const results = await Promise.all(
    actionCallers(api).map(async ({ name, call }): Promise<[string, unknown]> => [name, await call(path, args)]),
  );
  return Object.fromEntries(results);
}

/** What every caller should get. */
function each(value: unknown): Record<string, unknown> {
  return Object.fromEntries(actionCallers(api).map(({ name }) => [name, value]));
}

function notFound(name: string): string {
  return `Could not find public function for '${name}'. Did you forget to run \`npx convex dev\`?\n`;
}

describe("the action constructor", () => {
  test("S0-5 an action is named by file and export, a default export by the file alone", async () => {
    for (const [name, value] of [
      ["foo/bar:baz", "baz 1"],
      ["foo/bar:default", "default 1"],
      ["foo/bar", "default 1"],
    ] as const) {
      expect(await valueOf(api.action(name, { a: 1 }))).toBe(value);
    }
    expect(await api.client().action(anyApi["foo"]?.["bar"]?.["baz"] as never, { a: 1 } as never)).toBe("baz 1");
    expect(await api.client().action(anyApi["foo"]?.["bar"]?.["default"] as never, { a: 1 } as never)).toBe(
      "default 1",
    );
    expect(await valueOf(api.run("foo/bar/baz", { a: 1 }))).toBe("baz 1");
    expect(await valueOf(api.run("foo/bar/default", { a: 1 }))).toBe("default 1");
    const cli = await convex(app.path, backend, ["run", "foo/bar:baz", '{"a":1}']);
    expect(cli).toMatchObject({ code: 0, stdout: '"baz 1"\n' });
    const file = await convex(app.path, backend, ["run", "convex/foo/bar.ts:baz", '{"a":1}']);
    expect(file).toMatchObject({ code: 0, stdout: '"baz 1"\n' });
  });

  test("S0-5 E-A-1 an unknown file or export is not found", async () => {
    for (const name of ["foo/bar:nope", "foo/nope:baz", "bar:baz", "foo:bar", "foo/bar:toString"]) {
      expect(await errorOf(api.action(name, { a: 1 }))).toBe(notFound(name));
    }
    expect(await errorOf(api.action("foo/nope:default"))).toBe(notFound("foo/nope"));
  });

  test.each(["basics:sync", "basics:asynchronous"])("S0-6 %s: the handler may be sync or async", async (name) => {
    expect(await everywhere(name)).toEqual(each("success"));
  });

  test.each(["basics:nothing", "basics:explicitUndefined", "basics:asyncNothing"])(
    "S0-7 %s returns nothing: every caller gets null",
    async (name) => {
      expect(await everywhere(name)).toEqual(each(null));
    },
  );

  test("S0-38 a handler annotated void answers null", async () => {
    expect(await everywhere("basics:annotatedVoid", { a: 1 })).toEqual(each(null));
  });

  test("S0-9 arguments are the fields of the second parameter", async () => {
    expect(await everywhere("basics:add", { a: 1, b: 2 })).toEqual(each(3));
  });

  test.each([
    ["E-B-1", { a: 1 }, "Object is missing the required field `b`."],
    ["E-B-3", { a: "1", b: 2 }, "Value does not match validator."],
    ["E-B-2", { a: 1, b: 2, c: 3 }, "Object contains extra field `c` that is not in the validator."],
  ])("S0-8 %s arguments %j are refused before the handler runs", async (_row, args, text) => {
    for (const caller of actionCallers(api)) {
      await expect(caller.call("basics:add", args), caller.name).rejects.toThrow(`ArgumentValidationError: ${text}`);
    }
    expect((await api.action("basics:add", args)).logLines).toBeUndefined();
    expect((await api.action("basics:add", { a: 1, b: 2 })).logLines).toEqual(["[LOG] 'entered'"]);
  });

  test("S0-8 E-B-7 the return value is checked after the handler has run", async () => {
    const answer = await api.action("basics:misdeclared");
    expect(answer.errorMessage).toContain("ReturnsValidationError: Value does not match validator.");
    expect(answer.logLines).toEqual(["[LOG] 'entered'"]);
  });

  test("S0-10 the first parameter is the ActionCtx", async () => {
    expect(await valueOf(api.action("basics:ctxKeys"))).toEqual(
      expect.arrayContaining([
        "auth",
        "meta",
        "runAction",
        "runMutation",
        "runQuery",
        "scheduler",
        "storage",
        "vectorSearch",
      ]),
    );
  });

  test("S0-3 there is no ctx.db", async () => {
    expect(await everywhere("basics:dbType")).toEqual(each("undefined"));
  });
});

describe("the database through queries and mutations", () => {
  test("S0-11 runQuery answers what the query returns, from one snapshot", async () => {
    const channel = newChannel();
    await api.mutation("notes:add", { channel, text: "here" });
    expect(await everywhere("data:read", { channel })).toEqual(each(["here"]));
    const reads = Promise.all(
      Array.from({ length: 10 }, () => valueOf(api.action("data:readTwice", { channel })) as Promise<unknown[]>),
    );
    const writes = Promise.all(
      Array.from({ length: 10 }, (_, i) => api.mutation("notes:add", { channel, text: String(i) })),
    );
    for (const [first, second] of await reads) expect(first).toEqual(second);
    await writes;
  });

  test("S0-12 E-A-1 an internalQuery is for actions, not for clients", async () => {
    const channel = newChannel();
    await api.mutation("notes:add", { channel, text: "here" });
    expect(await valueOf(api.action("data:readInternal", { channel }))).toEqual(["here"]);
    const refused = notFound("notes:listInternal");
    expect(await errorOf(api.query("notes:listInternal", { channel }))).toBe(refused);
    await expect(api.client().query(anyApi["notes"]?.["listInternal"] as never, { channel } as never)).rejects.toThrow(
      refused,
    );
  });

  test("S0-14 runMutation commits and answers what the mutation returns", async () => {
    const channel = newChannel();
    const id = await valueOf(api.action("data:write", { channel, text: "written" }));
    expect(id).toMatch(/^[0-9a-z]{32}$/);
    expect(await notes(channel)).toEqual(["written"]);
  });

  test("S0-14 a mutation that throws rejects in the action and leaves nothing", async () => {
    const channel = newChannel();
    const failed = await valueOf(api.action("data:failedWrite", { channel, text: "never seen" }));
    expect(failed).toEqual({ message: expect.stringMatching(/^Uncaught Error: after the insert\n/), remains: [] });
    expect(failed).toEqual({ message: expect.not.stringContaining("Server Error"), remains: [] });
    expect(failed).toEqual({ message: expect.stringMatching(/\(\.\.\/convex\/notes\.ts:\d+:\d+\)/), remains: [] });
    expect(await valueOf(api.action("data:refusedWrite", { channel, text: "never seen" }))).toEqual({
      data: { reason: "refused", at: "3" },
    });
    expect(await notes(channel)).toEqual([]);
  });

  test("S0-15 an action reads what it has written", async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const channel = newChannel();
        return valueOf(api.action("data:writeThenRead", { channel, text: `note ${i}` }));
      }),
    );
    expect(results).toEqual(Array.from({ length: 20 }, (_, i) => [`note ${i}`]));
  });

  test("S0-16 E-A-1 an internalMutation protects writes", async () => {
    const channel = newChannel();
    const note = { channel, text: "written" };
    expect(await errorOf(api.mutation("notes:addInternal", note))).toBe(notFound("notes:addInternal"));
    await expect(api.client().mutation(anyApi["notes"]?.["addInternal"] as never, note as never)).rejects.toThrow(
      notFound("notes:addInternal"),
    );
    expect(await notes(channel)).toEqual([]);
    await valueOf(api.action("data:writeInternal", note));
    expect(await notes(channel)).toEqual(["written"]);
  });

  test("S0-22 a public reference works on the server, and arguments may be left out", async () => {
    expect(await valueOf(api.action("data:withoutArguments"))).toEqual(["hello", "hello", "success"]);
  });
});

describe("functions of a file", () => {
  /** The kind a function was registered as, told by what it answers to. */
  async function kindOf(name: string): Promise<string> {
    for (const kind of ["query", "mutation", "action"] satisfies Kind[]) {
      // oxlint-disable-next-line no-await-in-loop -- one of three
      const answer = await api.call(kind, name, { wrong: "arguments" });
      if (answer.errorMessage?.includes("Could not find public function")) return "none";
      if (answer.errorMessage?.includes("but it is defined as") !== true) return kind;
    }
    return "no kind";
  }

  test("S0-13 one file holds all three kinds, public and internal", async () => {
    expect(await kindOf("mixed:readIt")).toBe("query");
    expect(await kindOf("mixed:writeIt")).toBe("mutation");
    expect(await kindOf("mixed:doIt")).toBe("action");
    for (const hidden of ["readHidden", "writeHidden", "doHidden"]) {
      expect(await kindOf(`mixed:${hidden}`)).toBe("none");
    }
    const channel = newChannel();
    expect(await valueOf(api.action("mixed:doIt", { channel, text: "a" }))).toBe("A!!");
    expect(await valueOf(api.admin("mixed:readHidden", { channel }))).toEqual(["A!"]);
    expect(await valueOf(api.admin("mixed:writeHidden", { channel, text: "b" }))).toBeNull();
    expect(await valueOf(api.admin("mixed:doHidden"))).toBe("hidden");
    expect(await notes(channel)).toEqual(["A!", "b"]);
  });

  test("S0-30 helpers are shared by all three kinds and are no functions of the API", async () => {
    const channel = newChannel();
    await valueOf(api.mutation("mixed:writeIt", { channel, text: "a" }));
    expect(await notes(channel)).toEqual(["A!"]);
    expect(await valueOf(api.query("mixed:readIt", { channel }))).toEqual(["A!!"]);
    expect(await valueOf(api.action("mixed:doIt", { channel, text: "b" }))).toBe("A!,B!!");
    for (const helper of ["mixed:helper", "lib/notes:shout", "lib/notes:addNote", "lib/notes:textsOf"]) {
      expect(await kindOf(helper)).toBe("none");
      expect(await errorOf(api.admin(helper))).toBe(
        `Could not find function for '${helper}'. Did you forget to run \`npx convex dev\`?\n`,
      );
    }
  });
});

describe("the default runtime", () => {
  test("S0-1 an action calls a third party, once, and returns the answer", async () => {
    const answer = await valueOf(api.action("web:callService", { url: service.url("/pay") }));
    expect(answer).toEqual({
      status: 200,
      ok: true,
      answer: { method: "POST", path: "/pay", body: '{"amount":3}', hits: 1 },
    });
    expect(service.hits("/pay")).toBe(1);
  });

  test("S0-24 without a directive an action has fetch and no Node", async () => {
    expect(await valueOf(api.action("web:globals"))).toEqual({
      node: "undefined",
      require: "undefined",
      fetch: "function",
      standard: ["function", "function", "function", "function", "function"],
    });
    expect(await valueOf(api.action("web:fetchText", { url: service.url("/text") }))).toContain('"path":"/text"');
  });

  test("S0-26 packages in plain JavaScript work", async () => {
    const [id, short] = (await valueOf(api.action("packages:fromAction"))) as [string, string];
    expect(id).toMatch(/^[\w-]{21}$/);
    expect(short).toMatch(/^[\w-]{7}$/);
    expect(await valueOf(api.query("packages:fromQuery"))).toMatch(/^[\w-]{21}$/);
    const [other] = (await valueOf(api.action("packages:fromAction"))) as [string, string];
    expect(other).not.toBe(id);
  });

  test("S0-34 actions of one caller do not wait for each other", async () => {
    const order: string[] = [];
    const first = api.action("web:fetchText", { url: service.url("/held/first") }).then(() => order.push("first"));
    await service.asked("/held/first");
    await valueOf(api.action("web:fetchText", { url: service.url("/second") }));
    order.push("second");
    service.release("/held/first");
    await first;
    expect(order).toEqual(["second", "first"]);
  });

  test("S0-44 an error rejects the caller's promise, who may call again", async () => {
    for (const caller of actionCallers(api)) {
      await expect(caller.call("basics:throws", { text: "once" }), caller.name).rejects.toThrow("Uncaught Error: once");
      expect(await caller.call("basics:sync"), caller.name).toBe("success");
    }
  });

  test("S0-45 E-C-8 what was not awaited is named in a warning, and is no part of the success", async () => {
    const channel = newChannel();
    const answer = await api.action("web:dangling", { channel });
    expect(answer).toEqual({
      status: "success",
      value: "returned",
      logLines: [
        "[WARN] 1 unawaited operation: [actions/mutation]. Async operations should be awaited or they might not run. " +
          "See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
      ],
    });
    expect([[], ["dangling"]]).toContainEqual(await notes(channel));
  });
});
