import { join } from "node:path";
import { anyApi, getFunctionName, makeFunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiClient, errorOf, type Kind, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";

/** References, names and what stands between them. */

let app: AppCopy;
let backend: TestBackend;
let api: ApiClient;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "mission-app"));
  backend = await startBackend({ app: app.path });
  api = new ApiClient(backend);
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

let channels = 0;
function newChannel(): string {
  return `channel ${++channels}`;
}

async function notes(channel: string): Promise<unknown> {
  return valueOf(api.query("notes:list", { channel }));
}

function notFound(name: string): string {
  return `Could not find public function for '${name}'. Did you forget to run \`npx convex dev\`?\n`;
}

describe("references", () => {
  test("S4-1 S4-24 api and internal references run queries, mutations and actions", async () => {
    const channel = newChannel();
    expect(await valueOf(api.action("names:byApi", { channel }))).toEqual([
      ["public", "internal"],
      ["public", "internal"],
      "baz 1",
      "hidden",
    ]);
  });

  test("S4-1 P-R-5 references of the generated API work with ConvexHttpClient", async () => {
    const generated: { api: typeof anyApi } = await import(join(app.path, "convex/_generated/api.js"));
    const http = api.client();
    const channel = newChannel();
    const of = (module: string, name: string) => generated.api[module]?.[name] as never;
    await http.mutation(of("notes", "add"), { channel, text: "typed" } as never);
    expect(await http.query(of("notes", "list"), { channel } as never)).toEqual(["typed"]);
    expect(await http.query(of("notes", "greeting"))).toBe("hello");
    expect(await http.action(of("data", "read"), { channel } as never)).toEqual(["typed"]);
  });

  test("S4-2 E-A-1 a client that has an internal reference is refused", async () => {
    const generated: { internal: typeof anyApi } = await import(join(app.path, "convex/_generated/api.js"));
    const http = api.client();
    await expect(http.action(generated.internal["mixed"]?.["doHidden"] as never)).rejects.toThrow(
      notFound("mixed:doHidden"),
    );
    await expect(http.query(generated.internal["mixed"]?.["readHidden"] as never)).rejects.toThrow(
      notFound("mixed:readHidden"),
    );
    await expect(http.mutation(generated.internal["mixed"]?.["writeHidden"] as never)).rejects.toThrow(
      notFound("mixed:writeHidden"),
    );
  });

  test("S4-3 arguments are checked between server functions too", async () => {
    const channel = newChannel();
    const messages = await valueOf(api.action("data:badArguments", { channel }));
    expect(messages).toEqual([
      expect.stringMatching(/^ArgumentValidationError: Value does not match validator\.\nPath: \.text\n/),
      expect.stringMatching(/^ArgumentValidationError: Object is missing the required field `channel`\./),
      expect.stringMatching(/^ArgumentValidationError: Object is missing the required field `b`\./),
    ]);
    expect(await notes(channel)).toEqual([]);
  });

  test("S4-11 E-A-6 a definition is no reference, and nothing runs", async () => {
    const answer = await api.action("names:rawDefinition");
    expect(answer.value).toHaveLength(5);
    for (const message of answer.value as string[]) expect(message).toMatch(/ is not a functionReference$/);
    expect(answer.logLines).toBeUndefined();
  });

  test("S4-12 E-A-7 calling an exported function directly warns each time, skips validation and runs it", async () => {
    const answer = await api.action("names:directly", { times: 2 });
    expect(answer.value).toEqual(["handled no number", "handled no number"]);
    const warning =
      "[WARN] 'Convex functions should not directly call other Convex functions. Consider calling a helper function instead. " +
      "e.g. `export const foo = action(...); await foo(ctx);` is not supported. " +
      "See https://docs.convex.dev/production/best-practices/#use-helper-functions-to-write-shared-code'";
    expect(answer.logLines).toEqual([warning, warning]);
  });

  test("S4-13 makeFunctionReference works without generated code, with clients and on the server", async () => {
    const http = api.client();
    const channel = newChannel();
    await http.mutation(makeFunctionReference<"mutation">("notes:add"), { channel, text: "made" });
    expect(await http.query(makeFunctionReference<"query">("notes:list"), { channel })).toEqual(["made"]);
    expect(await http.action(makeFunctionReference<"action">("foo/bar:baz"), { a: 1 })).toBe("baz 1");
    const onServer = { kind: "query", name: "notes:list", args: { channel } };
    expect(await valueOf(api.action("names:byReference", onServer))).toEqual(["made"]);
  });

  test("S4-15 anyApi reaches any function by path", async () => {
    const channel = newChannel();
    expect(await valueOf(api.action("names:byAnyApi", { channel }))).toEqual([expect.any(String), ["any"], "baz 1"]);
    expect(await api.client().query(anyApi["notes"]?.["list"] as never, { channel } as never)).toEqual(["any"]);
  });

  test("S4-14 S4-15 S4-16 E-A-4 E-A-5 getFunctionName in a function", async () => {
    expect(await valueOf(api.action("names:functionNames"))).toEqual([
      "notes:list",
      "foo/bar:baz",
      "foo/bar",
      "notes:addInternal",
      "auth/login:perform",
      "a/b:c",
      "API path is expected to be of the form `api.moduleName.functionName`. Found: `api.m`",
      "API path is expected to be of the form `api.moduleName.functionName`. Found: `api`",
      'Expected function reference like "api.file.func" or "internal.file.func", but received function handle function://some-handle',
      "plain:name",
      "42 is not a functionReference",
    ]);
  });

  test("S4-14 E-A-5 getFunctionName in a client", () => {
    expect(getFunctionName(makeFunctionReference("auth/login:perform"))).toBe("auth/login:perform");
    expect(getFunctionName(makeFunctionReference("auth/login"))).toBe("auth/login");
    expect(() => getFunctionName(anyApi["x"] as never)).toThrow(
      "API path is expected to be of the form `api.moduleName.functionName`. Found: `api.x`",
    );
  });

  test("S4-17 getFunctionAddress tells a name from a handle", async () => {
    expect(await valueOf(api.action("names:addresses"))).toEqual([
      { name: "notes:list" },
      { name: "m:f" },
      { functionHandle: "function://some-handle" },
      { name: "m:f" },
      "42 is not a functionReference",
    ]);
  });
});

describe("by name", () => {
  const kinds: [Kind, string, Record<string, unknown>, unknown][] = [
    ["query", "mixed:readHidden", { channel: "by name" }, []],
    ["mutation", "mixed:writeHidden", { channel: "by name, written", text: "x" }, null],
    ["action", "mixed:doHidden", {}, "hidden"],
    ["action", "foo/bar", { a: 1 }, "default 1"],
  ];

  test.each(kinds)("S4-5 S4-25 a server function runs the %s %s by its plain name", async (kind, name, args, value) => {
    expect(await valueOf(api.action("names:byString", { kind, name, args }))).toEqual(value);
  });

  test.each(kinds)("S4-23 a library told at run time runs the %s %s", async (kind, name, args, value) => {
    expect(await valueOf(api.action("names:byReference", { kind, name, args }))).toEqual(value);
    if (kind === "query") expect(await valueOf(api.query("names:queryByReference", { name, args }))).toEqual(value);
    if (kind === "mutation") {
      expect(await valueOf(api.mutation("names:mutationByReference", { name, args }))).toEqual(value);
    }
  });

  test("S4-25 E-A-1 names do not get a client past visibility", async () => {
    expect(await valueOf(api.action("names:byString", { kind: "action", name: "mixed:doHidden", args: {} }))).toBe(
      "hidden",
    );
    expect(await errorOf(api.action("mixed:doHidden"))).toBe(notFound("mixed:doHidden"));
    expect(await errorOf(api.run("mixed/doHidden"))).toBe(
      "Could not find function for 'mixed:doHidden'. Did you forget to run `npx convex dev`?\n",
    );
  });

  test("S4-4 S1-20 ConvexHttpClient takes names", async () => {
    const http = api.client();
    const channel = newChannel();
    await http.mutation("notes:add" as never, { channel, text: "named" } as never);
    expect(await http.query("notes:list" as never, { channel } as never)).toEqual(["named"]);
    expect(await http.action("data:read" as never, { channel } as never)).toEqual(["named"]);
    await expect(http.action("basics:throws" as never, { text: "boom" } as never)).rejects.toThrow(
      "Uncaught Error: boom",
    );
  });

  test("S4-22 REST by name: /api/action and /api/run answer alike", async () => {
    const a = await api.post("/api/action", { path: "foo/bar:baz", args: { a: 1 }, format: "json" });
    const b = await api.post("/api/run/foo/bar/baz", { args: { a: 1 }, format: "json" });
    const texts = [await a.text(), await b.text()];
    expect(texts).toEqual([`{"status":"success","value":"baz 1"}`, `{"status":"success","value":"baz 1"}`]);
  });

  test("S4-21 what a barrel file exports is callable under its path too, with the same visibility", async () => {
    const channel = newChannel();
    expect(await valueOf(api.action("pub:doIt", { channel, text: "a" }))).toBe("A!!");
    expect(await valueOf(api.query("pub:readIt", { channel }))).toEqual(["A!!"]);
    expect(await errorOf(api.action("pub:doHidden"))).toBe(notFound("pub:doHidden"));
    expect(await valueOf(api.admin("pub:doHidden"))).toBe("hidden");
  });

  test("S4-22 E-A-3b /api/run needs a module and a function", async () => {
    for (const path of ["/api/run/", "/api/run/messages", "/api/run/messages/"]) {
      const response = await api.post(path, { args: {} });
      expect(response.status, path).toBe(400);
      expect(await response.json(), path).toEqual({
        code: "MissingIdentifier",
        message: "Path or function name not provided in path, e.g. /api/run/messages/list",
      });
    }
  });

  test("E-A-3 the wrong kind is named with both kinds, from outside and from an action", async () => {
    const wrong = [
      ["action", "notes:add", "Action", "Mutation"],
      ["query", "basics:sync", "Query", "Action"],
      ["mutation", "notes:greeting", "Mutation", "Query"],
    ] as const;
    for (const [kind, name, as, is] of wrong) {
      const text = `Trying to execute ${name.replace(":", ".js:")} as ${as}, but it is defined as ${is}.`;
      expect(await errorOf(api.call(kind, name, {}))).toBe(`${text}\n`);
      expect(await errorOf(api.action("names:byString", { kind, name, args: {} }))).toContain(text);
    }
  });

  test("E-A-1 an action that runs an unknown function gets the same text", async () => {
    const error = await errorOf(api.action("names:byString", { kind: "query", name: "notes:nope", args: {} }));
    expect(error).toContain("Uncaught Error: Could not find public function for 'notes:nope'.");
  });

  test("E-A-1 an export that is no function is not found", async () => {
    for (const name of ["mixed:helper", "mixed:constructor", "lib/notes:shout"]) {
      expect(await errorOf(api.query(name))).toBe(notFound(name));
    }
  });
});

describe("actions that run actions", () => {
  test("S4-6 runAction exists in actions, and in nothing else", async () => {
    expect(await valueOf(api.action("names:runActionTypes"))).toEqual({
      action: "function",
      mutation: "undefined",
      query: "undefined",
    });
    const hidden = { kind: "action", name: "mixed:doHidden", args: {} };
    expect(await valueOf(api.action("names:byString", hidden))).toBe("hidden");
  });

  test("S4-8 runAction of the same runtime works, each run with its own log", async () => {
    const answer = await api.action("callers:parent");
    expect(answer).toEqual({ status: "success", value: "parent of child", logLines: ["[LOG] 'parent'"] });
  });

  test("E-A-10 actions that call each other without end are stopped", async () => {
    expect(await valueOf(api.admin("callers:recurse", { depth: 1 }))).toBe(9);
    expect(await valueOf(api.admin("callers:recurseInTransaction", { depth: 1 }))).toEqual({
      depth: 9,
      message: "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
    });
  });

  test("E-A-9 a query may not call what writes", async () => {
    expect(await valueOf(api.query("callers:forbiddenPairs"))).toEqual([
      "Cannot call a mutation function from a Query function",
      "Cannot call a snapshotQuery function from a Query function",
      "Cannot call a action function from a Query function",
      "Cannot call a constructor function from a Query function",
    ]);
  });

  test("ACT1 an operation that is named like a member of every object is unknown", async () => {
    const unknown = ["constructor", "toString", "__proto__", "1.0/nonsense"].map(
      (op) => `Unknown async operation ${op}`,
    );
    expect(await valueOf(api.action("callers:unknownOperations"))).toEqual(unknown);
    expect(await valueOf(api.query("callers:unknownOperationsInQuery"))).toEqual(unknown);
  });

  test("S4-5 a ConvexError keeps its data through an action", async () => {
    const http = api.client();
    const args = { kind: "mutation", name: "notes:addAndRefuse", args: { channel: newChannel(), text: "x" } };
    const failed: unknown = await http
      .action("names:byString" as never, args as never)
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ConvexError);
    expect(failed).toMatchObject({ data: { reason: "refused", at: 3n } });
  });
});

describe("function handles", () => {
  test("S4-26 an app without components makes handles", async () => {
    const [handle, other] = (await valueOf(api.query("handles:make"))) as string[];
    expect(handle).toMatch(/^function:\/\/\S+$/);
    expect(other).toMatch(/^function:\/\/\S+$/);
    expect(other).not.toBe(handle);
    expect(await valueOf(api.query("handles:make"))).toEqual([handle, other]);
    expect(await valueOf(api.action("names:handleOf", { name: "handles:target" }))).toBe(handle);
    expect(await valueOf(api.action("handles:copy", { handle }))).toBe(handle);
  });

  test("S4-18 a stored handle runs its function, with validation, from actions and mutations", async () => {
    const channel = newChannel();
    const name = channel;
    const handle = await valueOf(api.mutation("handles:store", { name }));
    expect(await valueOf(api.query("handles:load", { name }))).toBe(handle);
    const args = { channel, text: "1" };
    expect(await valueOf(api.action("handles:use", { handle, args }))).toBe("done");
    expect(await valueOf(api.mutation("handles:useNested", { handle, args: { ...args, text: "2" } }))).toBe("done");
    expect(await notes(channel)).toEqual(["by handle: 1", "by handle: 2"]);
    for (const use of [api.action.bind(api, "handles:use"), api.mutation.bind(api, "handles:useNested")]) {
      expect(await errorOf(use({ handle, args: { channel, text: 3 } }))).toContain(
        "ArgumentValidationError: Value does not match validator.",
      );
    }
    expect(await notes(channel)).toHaveLength(2);
    const [, reader] = (await valueOf(api.query("handles:make"))) as string[];
    expect(await valueOf(api.action("handles:useQuery", { handle: reader, args: { channel } }))).toHaveLength(2);
  });

  test("S4-18 a handle runs as the kind it was made of, and as nothing else", async () => {
    const [handle] = (await valueOf(api.query("handles:make"))) as string[];
    expect(await errorOf(api.action("handles:useQuery", { handle, args: {} }))).toContain(
      "Trying to execute handles.js:target as Query, but it is defined as Mutation.",
    );
  });

  test("S4-18 E-A-1 a handle needs a function that exists, and a client cannot call one", async () => {
    expect(await errorOf(api.action("names:handleOf", { name: "handles:nope" }))).toContain(
      "Function handle not found",
    );
    const [handle = ""] = (await valueOf(api.query("handles:make"))) as string[];
    const response = await api.post("/api/mutation", { path: handle, args: {} });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BadConvexFunctionIdentifier" });
  });

  test("S4-18 a forged or damaged handle is refused", async () => {
    const [handle = ""] = (await valueOf(api.query("handles:make"))) as string[];
    const damaged = handle.slice(0, -1) + (handle.endsWith("A") ? "B" : "A");
    for (const forged of ["function://", "function://nonsense", damaged]) {
      expect(await errorOf(api.action("handles:use", { handle: forged, args: {} })), forged).toContain(
        `Invalid arguments for \`runMutation\`: Invalid function handle ${forged}`,
      );
    }
  });
});

describe("outside", () => {
  test("E-A-11 the database object outside a backend says where it belongs", async () => {
    const { queryGeneric } = await import("convex/server");
    const list = queryGeneric({ args: {}, handler: (ctx) => ctx.db.query("notes").collect() });
    const { invokeQuery } = list as unknown as { invokeQuery: (args: string) => Promise<string> };
    await expect(invokeQuery("[{}]")).rejects.toThrow(
      "The Convex database and auth objects are being used outside of a Convex backend. " +
        "Did you mean to use `useQuery` or `useMutation` to call a Convex function?",
    );
  });

  test("S4-22 npx convex run calls public and internal functions of every kind by name", async () => {
    const channel = newChannel();
    const run = (name: string, args: object) => convex(app.path, backend, ["run", name, JSON.stringify(args)]);
    expect(await run("mixed:writeHidden", { channel, text: "cli" })).toMatchObject({ code: 0 });
    expect(await run("notes:list", { channel })).toMatchObject({ code: 0, stdout: '[\n  "cli"\n]\n' });
    expect(await run("data:read", { channel })).toMatchObject({ code: 0, stdout: '[\n  "cli"\n]\n' });
    const failed = await run("basics:throws", { text: "boom" });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("Uncaught Error: boom");
  });
});
