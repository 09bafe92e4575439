import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleText, IsolateFixture, type Json } from "./support.ts";

let isolate: IsolateFixture;
beforeAll(async () => {
  isolate = await IsolateFixture.start();
});
afterAll(() => isolate.dispose());

async function analyzeModule(path: string, source: string, others: Record<string, string> = {}): Promise<Json> {
  const key = `app/${path}`;
  return await isolate.analyze(
    { [key]: await bundleText(source), ...others },
    { kind: "modules", modules: [{ module: key, path }] },
  );
}

type Evaluated = "schema" | "authConfig" | "definition";

async function evaluate(
  kind: Evaluated,
  key: string,
  source: string,
  variables?: Record<string, string>,
): Promise<Json> {
  return await isolate.analyze(
    { [key]: await bundleText(source) },
    { kind, module: key },
    variables === undefined ? {} : { "": variables },
  );
}

const SERVER = `
  import { queryGeneric as query, mutationGeneric as mutation, internalActionGeneric as internalAction,
    httpActionGeneric as httpAction, httpRouter, cronJobs, defineSchema, defineTable, defineApp, defineComponent } from "convex/server";
  import { v } from "convex/values";
`;

describe("modules", () => {
  test("ISO34 registered functions are found with kind, visibility and validators", async () => {
    const result = await analyzeModule(
      "dir/messages.js",
      `${SERVER}
      export const list = query({ args: { n: v.number() }, returns: v.null(), handler: async () => null });
      export const send = mutation(async () => null);
      export const work = internalAction({ args: {}, handler: async () => null });
      export const http = httpAction(async () => new Response());
      export const legacy = Object.assign(() => {}, { isQuery: true });
      export const ambiguous = Object.assign(() => {}, { isQuery: true, isMutation: true });
      export const both = Object.assign(() => {}, { isQuery: true, isPublic: true, isInternal: true });
      export const helper = () => 1;
      export const constant = 5;
      export default query(async () => null);`,
    );
    expect(result.ok).toBe(true);
    const [module] = result.modules;
    expect([module.path, module.httpRoutes, module.crons]).toEqual(["dir/messages.js", null, null]);
    expect(module.functions.toSorted((a: Json, b: Json) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: "default", kind: "Query", visibility: "public", args: '{"type":"any"}', returns: null },
      { name: "legacy", kind: "Query", visibility: null, args: null, returns: null },
      {
        name: "list",
        kind: "Query",
        visibility: "public",
        args: '{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}',
        returns: '{"type":"null"}',
      },
      { name: "send", kind: "Mutation", visibility: "public", args: '{"type":"any"}', returns: null },
      { name: "work", kind: "Action", visibility: "internal", args: '{"type":"object","value":{}}', returns: null },
    ]);
  });

  test.each([
    ['fetch("http://127.0.0.1:1/");', "fetch() unsupported at import time"],
    ['fetch("http://127.0.0.1:1/").then((response) => response.text());', "fetch() unsupported at import time"],
    [
      'crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]).finally(() => {});',
      "Cannot use cryptographic randomness at import time",
    ],
    ['Convex.asyncSyscall("1.0/actions/query", "{}");', "Cannot call another function at import time"],
  ])("E-D-2b what import may not do fails the push even if nobody looks: %s", async (statement, message) => {
    const result = await analyzeModule("m.js", `${SERVER} ${statement} export const f = query(async () => null);`);
    expect(result).toMatchObject({ ok: false, path: "m.js", error: { message } });
  });

  test.each([
    'fetch("http://127.0.0.1:1/").catch(() => {});',
    'fetch("http://127.0.0.1:1/").then((response) => response.text()).then(() => {}, () => {});',
    '(async () => { try { await fetch("http://127.0.0.1:1/"); } catch {} })();',
    'Promise.allSettled([fetch("http://127.0.0.1:1/"), crypto.subtle.generateKey("Ed25519", true, ["sign"])]);',
  ])("E-D-2b what was caught does not: %s", async (statement) => {
    const result = await analyzeModule("m.js", `${SERVER} ${statement} export const f = query(async () => null);`);
    expect(result).toMatchObject({ ok: true });
  });

  test("E-D-2b a schema may not fetch either", async () => {
    const source = `${SERVER} fetch("http://127.0.0.1:1/"); export default defineSchema({});`;
    expect(await evaluate("schema", "app/schema.js", source)).toMatchObject({
      ok: false,
      error: { message: "fetch() unsupported while evaluating schema" },
    });
  });

  test.each([
    [
      "Object.assign(() => {}, { isQuery: true, exportArgs: 5 })",
      "m.js:f.exportArgs is not a function or `undefined`.",
    ],
    [
      "Object.assign(() => {}, { isQuery: true, exportReturns: () => 5 })",
      "Invalid exportReturns return value: m.js:f.exportReturns() didn't return a string.",
    ],
    ["Object.assign(() => {}, { isQuery: true, _handler: 5 })", "m.js:f.handler is not a function."],
    ["({ isQuery: true })", "m.js:f is not a function."],
  ])("ISO35 a malformed function %s is a mistake with its text", async (value, text) => {
    const result = await analyzeModule("m.js", `export const f: any = ${value};`);
    expect([result.ok, result.path, result.text]).toEqual([false, "m.js", text]);
  });

  test("ISO35 text that is no JSON and names that are no identifiers are mistakes", async () => {
    const json = await analyzeModule(
      "m.js",
      "export const f = Object.assign(() => {}, { isQuery: true, exportArgs: () => '{' });",
    );
    expect(json.text).toMatch(/^Invalid JSON returned from m\.js:f\.exportArgs\(\): /);
    const name = await analyzeModule(
      "m.js",
      "const f = Object.assign(() => {}, { isQuery: true }); export { f as $bad };",
    );
    expect(name.text).toBe(
      "Invalid function name used in `m.js`: Invalid first character '$' in $bad: Identifiers must start with an alphabetic character or underscore",
    );
  });

  test("E-B-18 an undefined validator is the function's own error", async () => {
    const result = await analyzeModule(
      "m.js",
      `${SERVER} export const f = query({ args: v.object({}), handler: async () => null });
       f.exportArgs = () => { throw new Error("A validator is undefined") };`,
    );
    expect([result.ok, result.text, result.error.message]).toEqual([false, undefined, "A validator is undefined"]);
  });

  test("E-D-8 a module that throws is named, with its error and what it printed", async () => {
    const source =
      'for (let i = 0; i < 120; i++) console.log(i); console.warn("last"); throw new RangeError("bad start");';
    const result = await isolate.analyze(
      { "app/fine.js": "export const x = 1;", "app/bad.js": source },
      {
        kind: "modules",
        modules: [
          { module: "app/fine.js", path: "fine.js" },
          { module: "app/bad.js", path: "bad.js" },
        ],
      },
    );
    expect(result).toMatchObject({ ok: false, path: "bad.js", error: { name: "RangeError", message: "bad start" } });
    expect(result.text).toBeUndefined();
    expect(result.logs).toHaveLength(100);
    expect(result.logs.at(-1)).toMatchObject({ level: "WARN", messages: ["'last'"] });
  });

  test("ISO36 the platform's words for what Convex has its own words for are replaced", async () => {
    const tla = await analyzeModule("m.js", "await Promise.resolve(); export const x = 1;");
    expect(tla.text).toBe("Top-level awaits in source files are unsupported");
    const missing = await analyzeModule("m.js", 'export * from "./other.js";');
    expect(missing.text).toBe("Couldn't find JavaScript module 'other.js'. Did you forget to run `npx convex dev`?");
    const found = await analyzeModule("m.js", 'export * from "./other.js";', { "app/other.js": "export const x = 1;" });
    expect(found.ok).toBe(true);
  });

  test("ISO37 routes and crons are those of the root only", async () => {
    const router = `${SERVER} const http = httpRouter(); const handler = httpAction(async () => new Response());
      http.route({ pathPrefix: "/p/", method: "GET", handler }); http.route({ path: "/b", method: "POST", handler });
      http.route({ path: "/a", method: "GET", handler }); export default http;`;
    expect((await analyzeModule("http.js", router)).modules[0].httpRoutes).toEqual([
      ["/a", "GET"],
      ["/b", "POST"],
      ["/p/*", "GET"],
    ]);
    expect((await analyzeModule("dir/http.js", router)).modules[0].httpRoutes).toBeNull();
    const crons = `${SERVER} const crons = cronJobs(); crons.interval("tick", { minutes: 5 }, "m:f" as any, { a: 1 }); export default crons;`;
    expect(JSON.parse((await analyzeModule("crons.js", crons)).modules[0].crons)).toEqual({
      tick: { name: "m:f", args: [{ a: 1 }], schedule: { type: "interval", minutes: 5 } },
    });
  });

  test.each([
    ["http.js", "export const x = 1;", "`convex/http.js` must have a default export of a Router."],
    ["http.js", "export default {};", "The default export of `convex/http.js` is not a Router."],
    [
      "http.js",
      'export default { isRouter: true, getRoutes: () => [["/a", "HEAD", 1]] };',
      "'HEAD' is not not a routable method (one of GET, POST, PUT, DELETE, PATCH, OPTIONS)",
    ],
    ["crons.js", "export const x = 1;", "`convex/crons.js` must have a default export of a Crons object."],
    ["crons.js", "export default {};", "The default export of `convex/crons.js` is not a Crons object."],
  ])("E-D-12 %s: %s", async (path, source, text) => {
    expect((await analyzeModule(path, source)).text).toBe(text);
  });

  test("E-D-12 routes of another shape are described", async () => {
    const result = await analyzeModule(
      "http.js",
      "export default { isRouter: true, getRoutes: () => [[5, 'GET', 1]] };",
    );
    expect(result.text).toBe(
      "The `getRoutes()` method of Router did not return the expected type. `getRoutes()` should be a function returning " +
        "an array of entries of the form [path: string, method: string, handler: HttpAction] (a path is not a string)",
    );
  });
});

describe("schema", () => {
  test("ISO38 the text of export() comes back", async () => {
    const source = `${SERVER} export default defineSchema({ t: defineTable({ a: v.string() }).index("by_a", ["a"]) });`;
    const result = await evaluate("schema", "app/schema.js", source);
    expect(JSON.parse(result.exported).tables[0]).toMatchObject({
      tableName: "t",
      indexes: [{ indexDescriptor: "by_a", fields: ["a"] }],
    });
  });

  const DOCS = "To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.";
  test.each([
    ["export const x = 1;", `Schema file missing default export. ${DOCS}`],
    ["export default {};", `Default export from schema file isn't a Convex schema. ${DOCS}`],
  ])("ISO38 %s is a mistake", async (source, text) => {
    expect((await evaluate("schema", "app/schema.js", source)).text).toBe(text);
  });

  test.each([
    ["process.env.X;", "Environment variables unsupported when evaluating schema"],
    ['Convex.syscall("1.0/queryStream", "{}");', "Syscall 1.0/queryStream unsupported when evaluating schema"],
  ])("ISO38 %s is refused while a schema is evaluated", async (statement, message) => {
    const source = `declare const Convex: any; declare const process: any; ${statement} export default {};`;
    const { ok, error } = await evaluate("schema", "app/schema.js", source, { X: "set" });
    expect([ok, error.message]).toEqual([false, message]);
  });
});

describe("auth config", () => {
  test("ISO39 the providers come back, with variables that are set", async () => {
    const source =
      'declare const process: any; export default { providers: [{ domain: process.env.D, applicationID: "app" }] };';
    const result = await evaluate("authConfig", "app/auth.config.js", source, { D: "https://issuer" });
    expect(JSON.parse(result.exported)).toEqual([{ domain: "https://issuer", applicationID: "app" }]);
    const unset = await evaluate("authConfig", "app/auth.config.js", source, {});
    expect([unset.ok, unset.error.message]).toEqual([
      false,
      "Environment variable D is used in auth config file but its value was not set",
    ]);
  });

  test.each([
    [
      "export const x = 1;",
      "auth config file is missing default export. To learn more, see the auth documentation at https://docs.convex.dev/auth.",
    ],
    ["export default {};", "auth config file must include a list of provider credentials: missing field `providers`"],
  ])("ISO39 %s is a mistake", async (source, text) => {
    expect((await evaluate("authConfig", "app/auth.config.js", source)).text).toBe(text);
  });
});

describe("definitions", () => {
  test("ISO40 an app's definition is exported and may read variables, a component's may not", async () => {
    const app = `${SERVER} declare const process: any; const app = defineApp(); if (process.env.X !== "set") throw new Error("unset"); export default app;`;
    const result = await evaluate("definition", "app/convex.config.js", app, { X: "set" });
    expect(JSON.parse(result.exported)).toMatchObject({ definitionType: { type: "app" }, childComponents: [] });
    const component = `${SERVER} declare const process: any; process.env.X; export default defineComponent("c");`;
    const refused = await evaluate("definition", "components/c/convex.config.js", component, { X: "set" });
    expect([refused.ok, refused.error.message]).toEqual([
      false,
      "Environment variables are only supported in the app's convex.config.ts.",
    ]);
  });
});
