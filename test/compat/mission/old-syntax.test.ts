import { readFileSync } from "node:fs";
import { join } from "node:path";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient, errorOf, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { ThirdParty } from "../../support/third-party.ts";

/** The older page "Actions": plain JavaScript, positional constructors, default exports, string names. */

let app: AppCopy;
let backend: TestBackend;
let service: ThirdParty;
let api: ApiClient;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "old-syntax-app"));
  service = await ThirdParty.start();
  backend = await startBackend({ app: app.path });
  api = new ApiClient(backend);
});

afterAll(async () => {
  await backend?.stop();
  await service?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
});

function notFound(name: string): string {
  return `Could not find public function for '${name}'. Did you forget to run \`npx convex dev\`?\n`;
}

test("S1-1 S1-3 every constructor takes a bare function, in plain JavaScript", async () => {
  expect(await valueOf(api.query("constructors:q"))).toBe("query");
  expect(await valueOf(api.mutation("constructors:m"))).toBe("mutation");
  expect(await valueOf(api.action("constructors:a"))).toBe("action");
  expect(await valueOf(api.action("constructors:internals"))).toEqual([
    "internal query",
    "internal mutation",
    "internal action",
  ]);
  // A module with a bare `httpAction` was pushed with the others; it is no function that can be called by name.
  expect(await errorOf(api.action("unbound:http"))).toBe(notFound("unbound:http"));
});

test("S1-3 the generated code is JavaScript with declarations", async () => {
  const generated: { api: typeof anyApi } = await import(join(app.path, "convex/_generated/api.js"));
  expect(await api.client().action(generated.api["myAction"]?.["default"] as never)).toBe("success");
  expect(await convex(app.path, backend, ["run", "myAction"])).toMatchObject({ code: 0, stdout: '"success"\n' });
});

test("S1-2 a default export has the name of its file, with and without :default", async () => {
  expect(await valueOf(api.action("myAction"))).toBe("success");
  expect(await valueOf(api.action("myAction:default"))).toBe("success");
  expect(await valueOf(api.run("myAction/default"))).toBe("success");
  expect(await api.client().action(anyApi["myAction"]?.["default"] as never)).toBe("success");
});

test("S1-4 S1-13 E-A-1 what is not internal is public", async () => {
  expect(await valueOf(api.action("myAction:sum", { a: 1, b: 2 }))).toBe(3);
  for (const hidden of ["constructors:ia", "myAction:hidden"]) {
    expect(await errorOf(api.action(hidden))).toBe(notFound(hidden));
  }
  for (const hidden of ["constructors:iq", "myAction:readData", "readData"]) {
    expect(await errorOf(api.query(hidden))).toBe(notFound(hidden));
  }
  for (const hidden of ["constructors:im", "myAction:writeData", "writeData"]) {
    expect(await errorOf(api.mutation(hidden))).toBe(notFound(hidden));
  }
});

test("S1-5 without validators any object arrives intact", async () => {
  const args = { anything: [1, { x: 2n }], empty: {}, bytes: new Uint8Array([1, 2]).buffer, nothing: null };
  expect(await api.client().action("myAction:anything" as never, args as never)).toStrictEqual(args);
});

test("S1-6 arguments are destructured", async () => {
  expect(await api.client().action("myAction:sum" as never, { a: 1, b: 2 } as never)).toBe(3);
});

test("S1-7 every method of every ctx works on its own", async () => {
  expect(await valueOf(api.mutation("unbound:inMutation"))).toEqual({
    patched: ["unbound", 1],
    replaced: ["replaced", null],
    nested: null,
    read: 1,
  });
  expect(await valueOf(api.query("unbound:inQuery"))).toEqual({
    got: true,
    normalized: null,
    identity: null,
    nested: "default 1",
  });
  expect(await valueOf(api.action("unbound:inAction"))).toEqual({
    read: 1,
    ran: "success",
    identity: null,
    name: "unbound:inAction",
  });
});

test("S1-8 S1-10 a string without a colon is the default export of a file", async () => {
  expect(await valueOf(api.action("myAction:byFile", { a: "by file" }))).toEqual({ before: 0, wrote: null, after: 1 });
});

test("S1-9 S1-12 internal functions are called by name beside the action that uses them", async () => {
  expect(await valueOf(api.action("myAction:doSomething", { a: "same file" }))).toEqual({
    before: 0,
    after: 1,
    hidden: "hidden",
  });
});

test("S1-11 names of nested files, with and without .js", async () => {
  await valueOf(api.mutation("myAction:publicWrite", { a: "nested" }));
  expect(await valueOf(api.action("myAction:nested", { a: "nested" }))).toEqual([
    1,
    1,
    "default nested",
    "default nested",
    "default nested",
  ]);
  for (const name of ["dir/reader:count", "dir/reader.js:count"]) {
    expect(await valueOf(api.query(name, { a: "nested" })), name).toBe(1);
  }
});

test("S1-15 fetch in the default runtime, with a handler of one parameter", async () => {
  expect(await valueOf(api.action("fetching:once"))).toBe("function");
  expect(await valueOf(api.action("fetching"))).toBeNull();
  expect(await valueOf(api.action("fetching:get", { url: service.url("/page") }))).toContain('"hits":1');
  expect(service.hits("/page")).toBe(1);
});

test("S1-16 action, query and mutation live in one file and answer by kind", async () => {
  await valueOf(api.mutation("myAction:publicWrite", { a: "kinds" }));
  expect(await valueOf(api.query("myAction:publicRead", { a: "kinds" }))).toBe(1);
  expect(await errorOf(api.query("myAction:publicWrite", { a: "kinds" }))).toBe(
    "Trying to execute myAction.js:publicWrite as Query, but it is defined as Mutation.\n",
  );
});

test("S1-23 a failed action is not run again, and the caller may call again", async () => {
  const url = service.url("/counted");
  await valueOf(api.action("fetching:get", { url }));
  for (const attempt of [1, 2]) {
    expect(await errorOf(api.action("myAction:fails")), String(attempt)).toContain("Uncaught Error: failed");
  }
  expect(service.hits("/counted")).toBe(1);
});

test("S1-24 what is not awaited is named in a warning", async () => {
  const answer = await api.action("myAction:unawaited", { a: "unawaited" });
  expect(answer).toMatchObject({ status: "success", value: null });
  expect(answer.logLines).toEqual([expect.stringContaining("1 unawaited operation: [actions/mutation].")]);
  expect([0, 1]).toContain(await valueOf(api.query("myAction:publicRead", { a: "unawaited" })));
});

test("S1-25 the slip of the old page is a ReferenceError with file and line", async () => {
  const error = await errorOf(api.action("myAction:slip", { a: 1 }));
  expect(error).toMatch(/^Uncaught ReferenceError: runQuery is not defined\n/);
  const source = readFileSync(join(FIXTURES, "old-syntax-app/convex/myAction.js"), "utf8").split("\n");
  const line = Number(/\.\.\/convex\/myAction\.js:(\d+):\d+/.exec(error)?.[1]);
  expect(source[line - 1]).toContain('runQuery("readData", { a, runMutation })');
});

test("S1-26 an array is the list of arguments, an object the only one", async () => {
  const answers = await Promise.all(
    [{ a: 1, b: 2 }, [{ a: 1, b: 2 }]].flatMap((args) =>
      ["/api/action", "/api/run/myAction/sum"].map(async (path) => {
        const response = await api.post(path, { path: "myAction:sum", args });
        return response.text();
      }),
    ),
  );
  expect(answers).toEqual(Array.from({ length: 4 }, () => '{"status":"success","value":3}'));
  const positional = async (args: unknown) =>
    (await api.post("/api/action", { path: "myAction:positional", args })).json();
  expect(await positional([1, { a: 2 }])).toEqual({ status: "success", value: [1, { a: 2 }] });
  expect(await positional([])).toEqual({ status: "success", value: [null, null] });
  expect(await positional({ a: 1 })).toEqual({ status: "success", value: [{ a: 1 }, null] });
});
