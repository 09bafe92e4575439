import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { failure, FunctionClient } from "../../support/function-client.ts";

/** Commands of the official CLI that need no WebSocket, in an app whose functions are where `convex.json` says. */

const HELLO = (text: string) => `import { query } from "./_generated/server";
export const world = query({ args: {}, handler: () => ${JSON.stringify(text)} });
`;

const NOTES = `import { v } from "convex/values";
import { api } from "../_generated/api";
import { internalAction, internalMutation, mutation, query } from "../_generated/server";

export const put = mutation({
  args: { text: v.string() },
  handler: async (ctx, note) => {
    console.log("putting", note.text);
    return await ctx.db.insert("notes", note);
  },
});
export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text) });
export const secret = internalAction({
  args: {},
  handler: async (ctx): Promise<{ big: bigint; notes: string[] }> => ({ big: 5n, notes: await ctx.runQuery(api.dir.notes.list, {}) }),
});
export const wipe = internalMutation({ args: {}, handler: () => null });
export const who = query({ args: {}, handler: (ctx) => ctx.auth.getUserIdentity() });
export const fail = mutation({ args: {}, handler: () => { throw new Error("asked to fail"); } });
export const variable = query({ args: { name: v.string() }, handler: (_ctx, { name }) => process.env[name] ?? null });
`;

const SCHEMA = `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ notes: defineTable({ text: v.string() }).index("by_text", ["text"]) });
`;

let backend: TestBackend;
let client: FunctionClient;
let app: ConvexApp;

beforeAll(async () => {
  backend = await startBackend();
  client = new FunctionClient(backend.url);
  app = new ConvexApp({
    "convex.json": `{ "functions": "src/convex/", "node": { "nodeVersion": "22" } }`,
    "src/convex/hello.ts": HELLO("hello"),
    "src/convex/dir/notes.ts": NOTES,
    "src/convex/schema.ts": SCHEMA,
  });
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

const run = (...args: string[]) => app.convex(backend, ...args);

async function hashes(): Promise<{ config: { functions: string }; nodeVersion: string; moduleHashes: unknown[] }> {
  const response = await fetch(`${backend.url}/api/get_config_hashes`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Convex ${backend.adminKey}` },
    body: JSON.stringify({ version: "1.48.0", adminKey: backend.adminKey }),
  });
  return await response.json();
}

describe("pushing", () => {
  test("P-I-1 P-I-2 P-E-4 dev --once pushes the folder of convex.json, writes bindings and names the deployment", async () => {
    const { code, stderr } = await run("dev", "--once");
    expect({ code, ready: /Convex functions ready!/.test(stderr) }).toEqual({ code: 0, ready: true });
    expect(app.read(".env.local")).toContain(`CONVEX_URL=${backend.url}`);
    expect(await client.query("hello:world")).toBe("hello");
    expect(await hashes()).toMatchObject({ config: { functions: "src/convex/" }, nodeVersion: "22" });
  });

  test("P-I-6 the generated files are those of the official templates", () => {
    const generated = (file: string) => app.read(`src/convex/_generated/${file}`);
    for (const file of ["api.d.ts", "api.js", "dataModel.d.ts", "server.d.ts", "server.js"]) {
      expect(generated(file)).toMatch(/^\/\* eslint-disable \*\//);
    }
    expect(generated("api.js")).toContain("export const api = anyApi;\nexport const internal = anyApi;");
    expect(generated("api.d.ts")).toContain('import type * as dir_notes from "../dir/notes.js";');
    expect(generated("api.d.ts")).toContain('"dir/notes": typeof dir_notes;');
    expect(generated("dataModel.d.ts")).toContain("DataModelFromSchemaDefinition<typeof schema>");
    expect(generated("server.d.ts")).toContain('export declare const query: QueryBuilder<DataModel, "public">;');
  });

  test("P-I-6 codegen writes the same files again, and with static types those of the server's analysis", async () => {
    const before = app.read("src/convex/_generated/api.d.ts");
    app.remove("src/convex/_generated");
    expect((await run("codegen")).code).toBe(0);
    expect(app.read("src/convex/_generated/api.d.ts")).toBe(before);

    using typed = new ConvexApp({
      "convex.json": `{ "codegen": { "staticApi": true, "staticDataModel": true }, "generateCommonJSApi": true }`,
      "convex/notes.ts": NOTES.replaceAll("../_generated", "./_generated").replace("api.dir.notes", "api.notes"),
      "convex/schema.ts": SCHEMA,
    });
    expect((await typed.convex(backend, "codegen", "--typecheck", "disable")).code).toBe(0);
    const api = typed.read("convex/_generated/api.d.ts");
    expect(api).toMatch(/put: FunctionReference<\s*"mutation",\s*"public",\s*\{ text: string \},\s*any\s*>/);
    expect(api).toMatch(/secret: FunctionReference<\s*"action",\s*"internal"/);
    const model = typed.read("convex/_generated/dataModel.d.ts");
    expect(model).toMatch(/notes: \{\s*document: \{/);
    expect(model).toContain('by_text: ["text", "_creationTime"];');
    expect(typed.has("convex/_generated/api_cjs.cjs")).toBe(true);
    // Codegen pushes nothing.
    expect(await client.query("hello:world")).toBe("hello");
    expect(await failure(client.query("notes:list"))).toContain("Could not find public function for 'notes:list'");
  });

  test("P-I-6 what is generated type-checks", async () => {
    app.write({
      "src/convex/tsconfig.json": JSON.stringify({
        compilerOptions: {
          strict: true,
          target: "ESNext",
          lib: ["ES2023", "dom"],
          module: "ESNext",
          moduleResolution: "Bundler",
          isolatedModules: true,
          skipLibCheck: true,
          noEmit: true,
          types: ["node"],
        },
        include: ["./**/*"],
      }),
    });
    const good = await run("deploy", "--typecheck", "enable");
    expect({ code: good.code, stderr: good.stderr.includes("Deployed Convex functions") }).toEqual({
      code: 0,
      stderr: true,
    });
    app.write({
      "src/convex/wrong.ts": `import { api } from "./_generated/api";\nexport const x = api.dir.notes.nothing;\n`,
    });
    expect((await run("deploy", "--typecheck", "enable")).code).toBe(1);
    app.remove("src/convex/wrong.ts");
  });

  test("P-I-4 deploy --dry-run changes nothing", async () => {
    const before = await hashes();
    app.write({ "src/convex/hello.ts": HELLO("never seen") });
    const { code, stderr } = await run("deploy", "--dry-run", "--typecheck", "disable");
    expect({ code, said: /Would have deployed Convex functions/.test(stderr) }).toEqual({ code: 0, said: true });
    expect(await client.query("hello:world")).toBe("hello");
    expect(await hashes()).toEqual(before);
  });

  test("P-I-1 deploy puts the change into effect and keeps what did not change", async () => {
    const { code, stderr } = await run("deploy", "--typecheck", "disable");
    expect({ code, said: stderr.includes(`Deployed Convex functions to ${backend.url}`) }).toEqual({
      code: 0,
      said: true,
    });
    expect(await client.query("hello:world")).toBe("never seen");
    expect(await client.query("dir/notes:list")).toEqual([]);
  });
});

describe("running", () => {
  test("P-I-3 run prints the value of a mutation on stdout and its log on stderr", async () => {
    const { code, stdout, stderr } = await run("run", "dir/notes:put", '{"text": "one"}');
    expect(code).toBe(0);
    expect(stdout.trim()).toMatch(/^"[0-9a-z]{31,37}"$/);
    expect(stderr).toContain("[LOG] 'putting' 'one'");
    expect(await client.query("dir/notes:list")).toEqual(["one"]);
  });

  test("P-I-3 run reaches internal functions and prints int64", async () => {
    const { code, stdout } = await run("run", "dir/notes:secret");
    expect({ code, value: JSON.parse(stdout) }).toEqual({
      code: 0,
      value: { big: { $integer: "BQAAAAAAAAA=" }, notes: ["one"] },
    });
    expect(await run("run", "dir/notes:wipe")).toMatchObject({ code: 0 });
  });

  test("P-I-3 run --push pushes first", async () => {
    app.write({ "src/convex/hello.ts": HELLO("pushed by run") });
    const { code, stdout } = await run("run", "hello:world", "--push", "--typecheck", "disable");
    expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: '"pushed by run"' });
  });

  test("P-I-3 run --identity acts as a user", async () => {
    const { code, stdout } = await run(
      "run",
      "dir/notes:who",
      "--identity",
      '{"issuer":"https://i.example","subject":"me"}',
    );
    expect({ code, value: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      value: { subject: "me", issuer: "https://i.example", tokenIdentifier: "https://i.example|me" },
    });
  });

  test("E-B-3 P-I-3 a failed function is printed with its developer's text, exit code 1", async () => {
    const thrown = await run("run", "dir/notes:fail");
    expect(thrown.code).toBe(1);
    expect(thrown.stderr).toContain("Uncaught Error: asked to fail\n    at handler (../src/convex/dir/notes.ts:");
    const refused = await run("run", "dir/notes:put", '{"text": 1}');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      "ArgumentValidationError: Value does not match validator.\nPath: .text\nValue: 1.0",
    );
  });
});

describe("environment variables", () => {
  test("P-I-1 env set and env remove take effect without a push", async () => {
    expect((await run("env", "set", "COLOUR", "blue")).code).toBe(0);
    expect(await client.query("dir/notes:variable", { name: "COLOUR" })).toBe("blue");
    expect((await run("env", "remove", "COLOUR")).code).toBe(0);
    expect(await client.query("dir/notes:variable", { name: "COLOUR" })).toBeNull();
  });

  test("P-E-3 built-in variables can't be set", async () => {
    const { code, stderr } = await run("env", "set", "CONVEX_CLOUD_URL", "x");
    expect(code).toBe(1);
    expect(stderr).toContain(
      'EnvVarNameForbidden: Environment variable with name "CONVEX_CLOUD_URL" is built-in and cannot be overridden',
    );
    expect(await client.query("dir/notes:variable", { name: "CONVEX_CLOUD_URL" })).toBe(backend.url);
  });
});
