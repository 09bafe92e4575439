import { describe, expect, test } from "vitest";
import { realmModule } from "../../../src/runtime/code/realm-module.ts";
import { type ModuleSharing, modulesToShare } from "../../../src/runtime/isolate/shared-modules.ts";

const PACKAGE = "// node_modules/convex/dist/index.js\nvar query = (f) => f, v = {};\nexport { query, v };\n";

function sharingOf(key: string, source: string): ModuleSharing {
  const [, text = "null"] = /,sharing=(\{.*?\});export default/.exec(realmModule(key, source).code) ?? [];
  return JSON.parse(text) as ModuleSharing;
}

/** Keys of modules that are shared, beside a package chunk at `app/_deps/P.js`. */
function shared(modules: Readonly<Record<string, string>>): string[] {
  const all = Object.entries({ ...modules, "app/_deps/P.js": PACKAGE });
  return [...modulesToShare(new Map(all.map(([key, source]) => [key, sharingOf(key, source)])))].toSorted();
}

/** A module as the bundler writes it. */
function registering(text: string): string {
  return `import { query as q, v as v2 } from "./_deps/P.js";\n${text}\n`;
}

describe("REALM6 one evaluation serves all calls of a module that", () => {
  test.each([
    [
      "registers functions",
      "var list = q({ args: { n: v2.optional(v2.number()) }, handler: async (ctx) => ctx.n });\nexport { list };",
    ],
    [
      "names validators",
      "var fields = { a: v2.string() };\nvar f = q({ args: { ...fields, b: v2.any() }, handler: () => 1 });\nexport { f };",
    ],
    [
      "declares functions that it calls",
      "function twice(n) { return n > 9 ? n : twice(n * 2); }\nvar f = q(() => twice(2));\nexport { f };",
    ],
    [
      "hands a declared function to the package",
      "export { f };\nasync function g(ctx) { return 1; }\nvar f = q({ handler: g });",
    ],
    [
      "names primitives",
      "var LIMIT = 10 * 2;\nvar NAME = `${LIMIT}-x`;\nvar f = q(() => [LIMIT, NAME.length]);\nexport { f };",
    ],
    [
      "builds what it exports",
      'var http = q();\nhttp.route({ path: "/a", handler: q(async () => new Response("a")) });\nvar h = http;\nexport { h as default };',
    ],
    [
      "makes classes when it is called",
      "var f = q(() => { class A { n = 1; next() { return this.n++; } } return new A().next(); });\nexport { f };",
    ],
    ["uses the package while it runs", "var f = q(() => v2.thing.other(v2));\nexport { f };"],
    ["is empty", ""],
  ])("%s", (_, text) => {
    expect(shared({ "app/m.js": registering(text) })).toEqual(["app/m.js"]);
  });
});

describe("REALM6 every call evaluates a module that", () => {
  test.each([
    ["counts", "var n = 0;\nvar f = q(() => ++n);\nexport { f };"],
    ["assigns later", "let last;\nvar f = q((a) => { last = a; });\nexport { f };"],
    ["keeps a map", "var cache = new Map();\nvar f = q((a) => cache.get(a));\nexport { f };"],
    ["keeps an object that it reaches", "var seen = {};\nvar f = q((a) => { seen[a] = 1; });\nexport { f };"],
    ["keeps an array that it reaches", "var seen = [];\nvar f = q((a) => seen.push(a));\nexport { f };"],
    ["may add properties to a function", "function g() { return g.count++; }\nvar f = q(() => g());\nexport { f };"],
    ["hands a function to others", "function g() {}\nvar f = q((ctx) => ctx.run(g));\nexport { f };"],
    ["makes instances of a function", "function G() {}\nvar f = q(() => new G());\nexport { f };"],
    ["returns what it keeps", "var g = { a: 1 };\nvar f = q(() => g);\nexport { f };"],
    ["reaches what it registered", "var f = q(() => f.calls);\nexport { f };"],
    ["has a function that knows its own name", "var f = q(function g() { g.n = 1; });\nexport { f };"],
    ["has a receiver", "var o = q({ n: 0, handler() { return this.n++; } });\nexport { o };"],
    ["has a class", "class A { static n = 0; }\nvar f = q(() => 1);\nexport { f, A };"],
    ["has a generator", "function* g() {}\nvar f = q(() => g());\nexport { f };"],
    [
      "has a regular expression, whose `lastIndex` is state",
      "var r = /a/g;\nvar f = q((s) => r.test(s));\nexport { f };",
    ],
    ["calls its own function", "function make() { return []; }\nvar f = q(make());\nexport { f };"],
    ["calls a method of a function", "function make() { return []; }\nvar f = make.call(1);\nexport { f };"],
    ["calls a method of its own object", "var o = { make() { return []; } };\nvar f = o.make();\nexport { f };"],
    ["looks at a global", "var now = Date.now();\nvar f = q(() => now);\nexport { f };"],
    ["looks at a property of a global", "var key = process.env.KEY;\nvar f = q(() => key);\nexport { f };"],
    ["prints", 'console.log("loaded");'],
    ["branches", "if (v2.x) q();"],
    ["destructures", "var { f } = q();\nexport { f };"],
    ["declares without a value", "var x;\nvar f = q(() => (x ??= 1));\nexport { f };"],
    ["has a getter", "var f = q({ get args() { return 1; } });\nexport { f };"],
    ["has a computed name", "var f = q({ [v2]: 1 });\nexport { f };"],
    ["imports while it runs", 'var f = q(() => import("./n.js"));\nexport { f };'],
    ["looks at its URL", "var f = q(() => import.meta.url);\nexport { f };"],
    ["imports from the platform", 'import "node:async_hooks";\nvar f = q(() => 1);\nexport { f };'],
  ])("%s", (_, text) => {
    expect(shared({ "app/m.js": registering(text) })).toEqual([]);
  });
});

describe("REALM6 modules of an app", () => {
  const helper = "function twice(n) { return n * 2; }\nvar LIMIT = 3;\nexport { twice, LIMIT };";
  const importing = (text: string): string => registering(`import { twice, LIMIT } from "./helper.js";\n${text}`);

  test("are shared together when what they import can't be changed", () => {
    const user = importing("var f = q(() => twice(LIMIT));\nexport { f };");
    expect(shared({ "app/helper.js": helper, "app/user.js": user })).toEqual(["app/helper.js", "app/user.js"]);
  });

  test.each([
    ["changes a function of it", "var f = q(() => { twice.count = 1; });\nexport { f };"],
    ["hands a function of it on", "export { twice };"],
    ["takes it whole", 'import * as all from "./helper.js";\nvar f = q(() => all);\nexport { f };'],
    ["may import it while it runs", "var f = q((ctx) => import(ctx.name));\nexport { f };"],
    ["exports all of it", 'export * from "./helper.js";'],
  ])("a module is not shared when another %s", (_, text) => {
    expect(shared({ "app/helper.js": helper, "app/user.js": importing(text) })).toEqual([]);
  });

  test("a module is not shared when what it imports is not", () => {
    const user =
      'import { count } from "./state.js";\nimport { query } from "./_deps/P.js";\nvar f = query(() => count());\nexport { f };';
    expect(
      shared({ "app/state.js": "let n = 0;\nexport function count() { return ++n; }", "app/user.js": user }),
    ).toEqual([]);
  });

  test("only functions of the package may be called by an evaluation", () => {
    const user = 'import { wrap } from "./wrap.js";\nvar f = wrap(() => 1);\nexport { f };';
    const wrap = "export function wrap(g) { g.wrapped = true; return g; }";
    expect(shared({ "app/wrap.js": wrap, "app/user.js": user })).toEqual(["app/wrap.js"]);
  });
});
