import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, type CliResult, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api } from "./api.ts";

let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  backend = await startBackend();
  api = new Api(backend);
  expect(await push({})).toMatchObject({ code: 0 });
});
afterAll(() => backend?.stop());

const STAYS = `import { query } from "./_generated/server";
export const here = query({ args: {}, handler: () => "still here" });
`;

/** Pushes `stays.ts` and these files as the whole app. */
async function push(files: Readonly<Record<string, string | Uint8Array>>): Promise<CliResult> {
  using app = new AppCopy(join(FIXTURES, "cli-app"));
  rmSync(join(app.path, "convex"), { recursive: true });
  for (const [file, text] of Object.entries({ "convex/stays.ts": STAYS, ...files })) {
    mkdirSync(dirname(join(app.path, file)), { recursive: true });
    writeFileSync(join(app.path, file), text);
  }
  return await convex(app.path, backend, ["deploy", "--yes", "--typecheck=disable"]);
}

const QUERY = `import { query } from "./_generated/server";
export const f = query({ args: {}, handler: () => 1 });
`;

describe("what is pushed", () => {
  /** `(func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)` */
  const WASM = Uint8Array.from([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1,
    7, 0, 32, 0, 32, 1, 106, 11,
  ]);

  test("P-F-12 P-F-14 files by their names, ES modules and CommonJS, WebAssembly, and server-only", async () => {
    const pushed = await push({
      "convex/plain.ts": QUERY,
      "convex/script.js": QUERY,
      "convex/dir/deep/er.ts": QUERY.replace("./_generated", "../../_generated"),
      "convex/two.dots.ts": QUERY,
      "convex/with space.ts": QUERY,
      "convex/.hidden.ts": QUERY,
      "convex/noModule.ts": "const alone = 1;\n",
      "convex/notes.txt": "no code",
      "convex/legacy.cjs": `module.exports = { answer: () => 42 };\n`,
      "convex/shared.ts": `export function shared() { return "shared"; }\n`,
      "convex/add.wasm": WASM,
      "convex/uses.ts": `import "server-only";
import legacy from "./legacy.cjs";
import { shared } from "./shared";
import module from "./add.wasm";
import { query } from "./_generated/server";
export const all = query({
  args: {},
  handler: () => {
    const add = new WebAssembly.Instance(module).exports["add"];
    return [legacy.answer(), shared(), module instanceof WebAssembly.Module, add(2, 3)];
  },
});
`,
      "convex/alsoUses.ts": `import { shared } from "./shared";
import { query } from "./_generated/server";
export const text = query({ args: {}, handler: () => shared() });
`,
    });
    expect(pushed).toMatchObject({ code: 0 });
    for (const path of ["plain:f", "script:f", "dir/deep/er:f"]) expect(await api.value("query", path)).toBe(1);
    for (const path of ["noModule:alone", "shared:shared"]) {
      expect(await api.error("query", path)).toBe(
        `Could not find public function for '${path}'. Did you forget to run \`npx convex dev\`?\n`,
      );
    }
    // No name of a function.
    expect(await api.call("query", "two.dots:f")).toMatchObject({ http: 400, code: "BadConvexFunctionIdentifier" });
    expect(await api.value("query", "uses:all")).toEqual([42, "shared", true, 5]);
    expect(await api.value("query", "alsoUses:text")).toBe("shared");
  });

  test("P-F-12 a file in _deps is refused", async () => {
    const { code, stderr } = await push({ "convex/_deps/x.ts": QUERY.replace("./_", "../_") });
    expect(code).toBe(1);
    expect(stderr).toContain('is within the "_deps" directory, which is reserved for dependencies.');
  });
});

/** A refused push: what the CLI says, and what ran before still runs. */
async function refused(files: Readonly<Record<string, string>>, ...texts: (string | RegExp)[]): Promise<void> {
  const { code, stderr } = await push(files);
  expect(code).toBe(1);
  for (const text of texts) expect(stderr).toMatch(text);
  expect(stderr).not.toMatch(/500|InternalServerError/);
  expect(await api.value("query", "stays:here")).toBe("still here");
}

const LOADING =
  "InvalidModules: Hit an error while pushing:\nLoading the pushed modules encountered the following\n    error:\n";

describe("what is not", () => {
  test("E-D-1 a module of Node's in the default runtime", async () => {
    await refused(
      { "convex/bad.ts": `import fs from "fs";\nexport const x = fs;\n` },
      'It looks like you are using Node APIs from a file without the "use node" directive.\n' +
        'Split out actions using Node.js APIs like this into a new file only containing actions that uses "use node" so these actions will run in a Node.js environment.\n' +
        "For more information see https://docs.convex.dev/functions/runtimes#nodejs-runtime",
    );
  });

  test.each(["http.ts", "crons.ts", "auth.config.ts"])("E-D-4 the directive in %s", async (file) => {
    const router = `"use node";\nimport { httpRouter } from "convex/server";\nexport default httpRouter();\n`;
    if (file === "auth.config.ts") {
      // Skipped as a module, and evaluated apart: the directive means nothing there.
      await refused({ [`convex/${file}`]: router }, /InvalidAuthConfig|Auth config/);
    } else {
      await refused({ [`convex/${file}`]: router }, `"use node" directive is not allowed for ${file}.`);
    }
  });

  test("E-D-5 the directive in a component", async () => {
    await refused(
      {
        "convex/convex.config.ts": `import { defineApp } from "convex/server";\nimport part from "./part/convex.config";\nconst app = defineApp();\napp.use(part);\nexport default app;\n`,
        "convex/part/convex.config.ts": `import { defineComponent } from "convex/server";\nexport default defineComponent("part");\n`,
        "convex/part/node.ts": `"use node";\nimport { actionGeneric } from "convex/server";\nexport const a = actionGeneric({ args: {}, handler: () => 1 });\n`,
      },
      /"use node" directive is not supported in components\. Remove it from the component at: .*part/,
    );
  });

  test("E-D-8 a module that throws, with the place in its source and what it printed before", async () => {
    await refused(
      {
        "convex/bad.ts": `export const before = console.log("before it");\nfunction boom(): never {\n  throw new Error("at import");\n}\nexport const x = boom();\n`,
      },
      `${LOADING}Failed to analyze bad.js: Uncaught Error: at import\n    at boom (../convex/bad.ts:3:9)\n    at <anonymous> (../convex/bad.ts:5:18)\n\n[LOG] 'before it'`,
    );
  });

  test.each([
    ["in a value", "export const x = await Promise.resolve(1);\n", {}],
    ["that never ends", "await new Promise(() => {});\nexport const x = 1;\n", {}],
    [
      "in a module that is imported",
      `export { y as x } from "./late";\n`,
      { "convex/late.ts": "export const y = await Promise.resolve(1);\n" },
    ],
  ])("E-D-8 ISO36 a top-level await %s", async (_where, text, others) => {
    await refused({ "convex/bad.ts": text, ...others }, `${LOADING}Top-level awaits in source files are unsupported`);
  });

  test("EXE4 E-D-8 code that does not compile, in a function's module and in a chunk that two share", async () => {
    const bad = "export const pattern = () => /(/;\n";
    const text = "Uncaught SyntaxError: Invalid regular expression: /(/: Unterminated group";
    await refused(
      { "convex/bad.ts": bad },
      `${LOADING}Failed to analyze bad.js: ${text}\n    at <anonymous> (../convex/bad.ts:1:24)`,
    );
    const uses = `import { pattern } from "./bad";\nexport const x = pattern;\n`;
    await refused({ "convex/bad.ts": bad, "convex/a.ts": uses, "convex/b.ts": uses }, /Failed to analyze /, text);
  });

  test("EXE4 a module that breaks what the analysis itself works with", async () => {
    await refused(
      { "convex/bad.ts": `(JSON as any).stringify = undefined;\n${QUERY}` },
      `${LOADING}Failed to analyze modules: Uncaught TypeError: JSON.stringify is not a function`,
    );
  });

  test("EXE4 a schema that does not compile", async () => {
    await refused(
      {
        "convex/schema.ts": `import { defineSchema } from "convex/server";\nexport const pattern = /(/;\nexport default defineSchema({});\n`,
      },
      "Hit an error while evaluating your schema:\nUncaught SyntaxError: Invalid regular expression: /(/: Unterminated group",
    );
  });

  test.each([
    ["setTimeout", "export const x = setTimeout(() => {}, 1);\n", "setTimeout unsupported at import time"],
    [
      "the database",
      `declare const Convex: any;\nexport const x = Convex.syscall("1.0/queryStream", "{}");\n`,
      "Can't use database at import time",
    ],
  ])("E-D-2b a module that uses %s when it is loaded", async (_what, text, error) => {
    await refused({ "convex/bad.ts": text }, `${LOADING}Failed to analyze bad.js: Uncaught Error: ${error}\n`);
  });

  test.each([
    ["args", "argument", "args: v.number() as any", "Args validator must be an object or any"],
    [
      "args",
      "argument",
      "args: { r: v.record(v.literal('x') as any, v.any()) }",
      "Invalid validator for key `r`: Records cannot have string literal keys",
    ],
    [
      "return value",
      "return value",
      "returns: v.record(v.number() as any, v.any())",
      "Records can only have string keys. ",
    ],
  ])(
    "P-F-3 P-I-4 a validator of %s that nothing could be checked with (%s, %s)",
    async (name, subject, validator, text) => {
      const source = `import { v } from "convex/values";
import { query } from "./_generated/server";
export const q = query({ ${validator}, handler: () => null });
`;
      await refused(
        { "convex/bad.ts": source },
        `${LOADING}Failed to analyze bad.js: Error in ${name} validator: ${text}`,
        `See https://docs.convex.dev/functions/validation for docs on how to do ${subject} validation.`,
      );
    },
  );

  test("E-B-18 a validator that an import cycle left undefined", async () => {
    await refused(
      {
        "convex/a.ts": `import { v } from "convex/values";\nimport { query } from "./_generated/server";\nimport { b } from "./b";\nexport const a = v.string();\nexport const q = query({ args: { b }, handler: () => null });\n`,
        "convex/b.ts": `import { v } from "convex/values";\nimport { a } from "./a";\nexport const b = a;\nexport const c = v.object({ a });\n`,
      },
      /Failed to analyze (a|b)\.js: Uncaught Error: A validator is undefined for field "\w+" in v\.object\(\)\. This is often caused by circular imports\. See https:\/\/docs\.convex\.dev\/error#undefined-validator for details\./,
    );
  });
});
