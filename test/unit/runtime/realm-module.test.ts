import { expect, test } from "vitest";
import { type Bundle, realmBundle, realmEdits } from "../../../src/runtime/code/realm-bundle.ts";
import { lineEdits, originalColumn, realmModule } from "../../../src/runtime/code/realm-module.ts";

type Namespace = Record<string, unknown>;
type Start = (scope: object) => Generator<void, void>;

interface Instance {
  namespace: Namespace;
  readonly imports: Instance[];
  rest: Generator<void, void> | null;
}

/** Links and evaluates rewritten modules in the order of ECMAScript, one set per call. */
async function link(modules: Readonly<Record<string, string>>): Promise<() => (key: string) => Namespace> {
  const starts = new Map<string, Start>();
  for (const [key, source] of Object.entries(modules)) {
    const code = `${realmModule(key, source).code}//${key} ${starts.size} ${JSON.stringify(modules)}`;
    const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { default: Start };
    starts.set(key, module.default);
  }
  return () => {
    const instances = new Map<string, Instance>();
    const linked = (key: string): Instance => {
      const known = instances.get(key);
      if (known !== undefined) return known;
      const instance: Instance = { namespace: {}, imports: [], rest: null };
      instances.set(key, instance);
      const scope = {
        exports: (namespace: Namespace) => (instance.namespace = namespace),
        import: (other: string) => {
          instance.imports.push(linked(other));
          return linked(other).namespace;
        },
        star: (from: Namespace) => {
          for (const name of Object.keys(from)) {
            if (name !== "default") Object.defineProperty(instance.namespace, name, { get: () => from[name] });
          }
        },
        load: (specifier: string) => Promise.resolve(linked(specifier.replace("./", "app/")).namespace),
        meta: { url: `file:///${key}` },
      };
      const rest = starts.get(key)?.(scope) ?? null;
      rest?.next();
      instance.rest = rest;
      return instance;
    };
    const evaluate = (instance: Instance): void => {
      const { rest } = instance;
      instance.rest = null;
      if (rest === null) return;
      instance.imports.forEach(evaluate);
      rest.next();
    };
    return (key) => {
      const instance = linked(key);
      evaluate(instance);
      return instance.namespace;
    };
  };
}

async function run(modules: Readonly<Record<string, string>>): Promise<unknown> {
  return (await link(modules))()("app/main.js")["result"];
}

test("REALM1 every realm evaluates its modules anew", async () => {
  const realms = await link({
    "app/count.js": "export let n = 0; export function next() { return ++n; }",
    "app/main.js": 'import { n, next } from "./count.js"; export const result = () => [next(), n];',
  });
  const results = [realms(), realms()].map((realm) => realm("app/main.js")["result"] as () => unknown);
  expect(results.map((result) => result())).toEqual([
    [1, 1],
    [1, 1],
  ]);
  expect(results[0]?.()).toEqual([2, 2]);
});

test.each([
  [
    "imports beside a call of eval, which runs nowhere and that libraries guard",
    {
      "app/a.js": "export const one = 1; export default () => 2;",
      "app/main.js":
        'import two, { one } from "./a.js"; ' +
        'function guarded(name) { try { return eval("requ" + "ire")(name); } catch { return null; } } ' +
        'export const result = [one, two(), guarded("fs")];',
    },
    [1, 2, null],
  ],
  [
    "default, named, renamed, namespace",
    {
      "app/a.js":
        'export default 1; export const two = 2; const t = 3; export { t as three, t as "a b" }; export class C {}',
      "app/main.js":
        'import one, { two, three as drei, "a b" as ab } from "./a.js"; import * as ns from "./a.js"; ' +
        "export const result = [one, two, drei, ab, ns.three, new ns.C() instanceof ns.C];",
    },
    [1, 2, 3, 3, 3, true],
  ],
  [
    "re-exports and stars",
    {
      "app/a.js": "export const x = 1, y = 2; export default 3;",
      "app/b.js": 'export * from "./a.js"; export { default as d } from "./a.js"; export * as all from "./a.js";',
      "app/main.js": 'import { x, y, d, all } from "./b.js"; export const result = [x, y, d, all.x];',
    },
    [1, 2, 3, 1],
  ],
  [
    "live bindings that are set by destructuring and by functions of others",
    {
      "app/a.js": "export let x; export var init = () => { ({ x } = { x: 5 }); };",
      "app/main.js": 'import { x, init } from "./a.js"; const before = x; init(); export const result = [before, x];',
    },
    [undefined, 5],
  ],
  [
    "cycles see hoisted functions",
    {
      "app/a.js": 'import { b } from "./main.js"; export function a() { return "a"; } export const early = b();',
      "app/main.js":
        'import { a, early } from "./a.js"; export function b() { return a() + "b"; } export const result = [early, b()];',
    },
    ["ab", "ab"],
  ],
  [
    "shadowed names, shorthands, templates, optional calls, statements without semicolons",
    {
      "app/a.js":
        "export const f = function () { return this === undefined; }; export const g = 7; export const tag = (s) => s[0];",
      "app/main.js": [
        'import { f, g, tag } from "./a.js"',
        "const seen = []",
        "function shadow(g) { return { g }.g }",
        "seen.push({ g }.g, shadow(1), f(), f?.(), tag`t`, typeof g)",
        "f()",
        "if (g) f(); else f()",
        "{ let f = () => 'inner'; seen.push(f()) }",
        "export { seen as result }",
      ].join("\n"),
    },
    [7, 1, true, true, "t", "number"].concat(["inner"]),
  ],
  [
    "an anonymous default export is called default",
    {
      "app/a.js": "export default function () {}\n[1].length",
      "app/b.js": "export default (x) => x",
      "app/main.js": 'import a from "./a.js"; import b from "./b.js"; export const result = [a.name, b.name];',
    },
    ["default", "default"],
  ],
  [
    "import.meta and names that the source uses already",
    { "app/main.js": "const $realm = 1, $realm0 = 2; export const result = [import.meta.url, $realm + $realm0];" },
    ["file:///app/main.js", 3],
  ],
])("REALM2 %s", async (_what, modules, expected) => {
  expect(await run(modules)).toEqual(expected);
});

test("REALM2 a dynamic import gives the namespace of the same realm", async () => {
  const result = await run({
    "app/a.js": "export const x = {};",
    "app/main.js":
      'import { x } from "./a.js"; export const result = () => import("./a.js").then((module) => module.x === x);',
  });
  await expect((result as () => Promise<boolean>)()).resolves.toBe(true);
});

test("REALM3 lines stay, and columns can be told from those that ran", () => {
  const source = 'import {\n  foo,\n} from "./a.js";\nexport const f = () => foo(foo, { foo }); // end\nf();\n';
  const { code, edits } = realmModule("app/main.js", source);
  const lines = code.split("\n");
  expect(lines[4]).toBe("f();");
  const line = lines[3] ?? "";
  const original = source.split("\n")[3] ?? "";
  for (const text of ["() =>", "// end", "})"]) {
    expect(originalColumn(lineEdits(source, edits), 4, line.indexOf(text))).toBe(original.indexOf(text));
  }
  expect(originalColumn(lineEdits(source, edits), 4, line.indexOf("foo)("))).toBe(original.indexOf("foo("));
});

test("REALM3 the columns of a stack are told from what the push kept, without rewriting the code again", async () => {
  const source = 'import { a } from "./a.js";\nexport const f = () => a(1);\n';
  const stored = new Map<string, Bundle>([["b", { "app/main.js": source, "app/broken.js": "no javascript" }]]);
  const reads: string[] = [];
  const store = {
    bundle: (key: string) => {
      reads.push(key);
      return Promise.resolve(stored.get(key) ?? null);
    },
    putBundle: (key: string, bundle: Bundle) => {
      stored.set(key, bundle);
      return Promise.resolve();
    },
  };
  const pause = (): Promise<void> => Promise.resolve();
  const code = (await realmBundle(store, "b", pause))?.["app/main.js"] ?? "";
  reads.length = 0;
  const editsOf = await realmEdits(store, "b", pause);
  expect(reads).not.toContain("b");
  expect(editsOf("app/broken.js")).toEqual([]);
  const line = code.split("\n")[1] ?? "";
  expect(originalColumn(editsOf("app/main.js"), 2, line.indexOf("(1)"))).toBe(
    "export const f = () => a(1)".indexOf("(1)"),
  );
  // A bundle that an earlier backend rewrote.
  for (const key of stored.keys()) if (key !== "b") stored.delete(key);
  expect((await realmEdits(store, "b", pause))("app/main.js")).toEqual(editsOf("app/main.js"));
});

test("REALM4 code that can only be made at start-up and the stateless package are shared, everything else is not", () => {
  const shared = (source: string): boolean => realmModule("app/a.js", source).code.includes("shared=true");
  expect(shared("export const m = new WebAssembly.Module(bytes);")).toBe(true);
  expect(shared('export const f = new Function("return 1");')).toBe(true);
  expect(shared('export const f = () => new Function("return 1");')).toBe(false);
  expect(shared("export const F = Function;")).toBe(true);
  for (const harmless of [
    "Function.prototype.toString",
    'Function("return this")()',
    "class extends Function {}",
    "typeof Function",
    "f instanceof Function || f.constructor === Function",
  ]) {
    expect([harmless, shared(`export const x = ${harmless};`)]).toEqual([harmless, false]);
  }
  expect(shared("let n = 0; export const next = () => ++n;")).toBe(false);
  const convex = "// ../node_modules/convex/dist/esm/values/value.js\nvar x = 1;\n";
  expect(shared(convex)).toBe(true);
  expect(shared(`${convex}// convex/lib/cache.ts\nvar cache = new Map();\n`)).toBe(false);
  expect(shared("export function g(WebAssembly) { return WebAssembly; }")).toBe(false);
});

test.each([
  ["base64", 'export const f = () => decode("AGFzbQEAAAABBAFgAAA=");', ["AGFzbQEAAAABBAFgAAA="]],
  ["a data URL", 'let x = "data:application/wasm;base64,AGFzbQEAAAAA";', ["AGFzbQEAAAAA"]],
  ["base64 over several lines", "let x = `\nAGFzbQEA\nAAAA\n`;", []],
  ["base64 in a template", "let x = `AGFzbQEAAAAA\nAAAA`;", ["AGFzbQEAAAAAAAAA"]],
  ["bytes", "let x = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 255]);", ["AGFzbQEAAAD/"]],
  ["bytes that are not known yet", "let x = [0, 97, 115, 109, 1, 0, 0, 0, n];", []],
  ["the same twice", 'let x = ["AGFzbQEAAAAA", "AGFzbQEAAAAA"];', ["AGFzbQEAAAAA"]],
  ["other text and numbers", 'let x = ["AGFzbQEA and more", "AGFz", [0, 97, 115], [,]];', []],
])("REALM7 WebAssembly spelled out as %s", (_what, source, expected) => {
  expect(realmModule("app/a.js", source).code).toContain(`const wasm=()=>${JSON.stringify(expected)};`);
});

test("REALM5 a top-level await can't be imported, one inside a function can", () => {
  const code = (source: string): string => realmModule("app/a.js", source).code;
  expect(code("await 1;")).toContain("Top-level await");
  expect(code("for await (const x of y) {}")).toContain("Top-level await");
  expect(code("export const f = async () => { await 1; };")).not.toContain("Top-level await");
});
