import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient, errorOf, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { convex } from "../../support/convex-cli.ts";

/** What `convex deploy` does besides pushing. Each test finds the app as `VERSION` of it is deployed, and leaves it so. */

const version = (text: string) => `import { mutation, query } from "./_generated/server";
export const version = query({ args: {}, handler: () => ${JSON.stringify(text)} });
export const add = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("notes", { text: "a note" }); } });
export const found = query({
  args: {},
  handler: async (ctx) => (await (ctx.db.query("notes") as any).withIndex("by_text").collect()).length,
});
`;
const PLAIN = schemaFile({ notes: "({ text: v.string() })" });
const INDEXED = schemaFile({ notes: `({ text: v.string() }).index("by_text", ["text"])` });
/** Prints nothing that it can't know: the two names that the CLI sets, as JSON in a file of the app. */
const SHOW = `node -e 'require("fs").writeFileSync("seen.json", JSON.stringify([process.env.CONVEX_URL, process.env.CONVEX_SITE_URL]))'`;

let backend: TestBackend;
let app: ConvexApp;
let api: ApiClient;

beforeAll(async () => {
  backend = await startBackend();
  api = new ApiClient(backend);
  app = new ConvexApp({ "convex/app.ts": version("first"), "convex/schema.ts": PLAIN });
  await app.deploy(backend);
  for (let i = 0; i < 3; i++) await valueOf(api.mutation("app:add"));
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

function deploy(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return convex(app.path, backend, ["deploy", "--typecheck", "disable", ...args], env);
}

const current = () => valueOf(api.query("app:version"));

test("P-I-5 deploy --cmd runs the command with this deployment's addresses before it pushes", async () => {
  app.write({ "convex/app.ts": version("second") });
  const { code, stderr } = await deploy(["--cmd", SHOW]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(JSON.parse(app.read("seen.json"))).toEqual([backend.url, backend.siteUrl]);
  expect(stderr).toContain(`with environment variables "CONVEX_URL" and "CONVEX_SITE_URL" set`);
  expect(await current()).toBe("second");

  // Under a name of one's choice, as bundlers of pages want it.
  const named = `node -e 'require("fs").writeFileSync("seen.json", JSON.stringify(process.env.MY_URL))'`;
  expect(await deploy(["--cmd", named, "--cmd-url-env-var-name", "MY_URL"])).toMatchObject({ code: 0 });
  expect(JSON.parse(app.read("seen.json"))).toBe(backend.url);
});

test("P-I-5 a command that fails ends the deploy, and nothing is pushed", async () => {
  const before = await current();
  app.write({ "convex/app.ts": version("never seen") });
  const { code, stderr } = await deploy(["--cmd", "exit 3"]);
  expect(code).toBe(1);
  expect(stderr).toContain("'exit 3' failed");
  expect(await current()).toBe(before);
});

test("P-I-5 deploy --dry-run checks everything, runs no command and changes nothing", async () => {
  const before = await current();
  app.remove("seen.json");
  app.write({ "convex/app.ts": version("never seen"), "convex/schema.ts": INDEXED });
  const { code, stderr } = await deploy(["--dry-run", "--cmd", SHOW]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain("Would have deployed Convex functions");
  expect(stderr).toMatch(/Would have run .* with environment variables/);
  expect(stderr).toMatch(/notes\.by_text/);
  expect(app.has("seen.json")).toBe(false);
  expect(await current()).toBe(before);
  expect(await errorOf(api.query("app:found"))).toContain("by_text");

  app.write({ "convex/broken.ts": `export const never = 1;\nthrow new Error("at import");\n` });
  const broken = await deploy(["--dry-run"]);
  app.remove("convex/broken.ts");
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain("at import");
});

test("P-I-5 an index on a table that counts as large asks first, and is built when told so", async () => {
  // What the CLI takes for large is 100,000 documents.
  const large = {
    CONVEX_MIN_DOCUMENTS_FOR_INDEX_BACKFILL_WARNING: "3",
    CONVEX_MIN_DOCUMENTS_FOR_INDEX_DELETE_WARNING: "3",
  };
  app.write({ "convex/app.ts": version("indexed"), "convex/schema.ts": INDEXED });
  const refused = await deploy([], large);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/This push will create the following index on a large table/);
  expect(refused.stderr).toContain("3 documents");
  expect(await current()).not.toBe("indexed");

  expect(await deploy(["--skip-large-indexes-check"], large)).toMatchObject({ code: 0 });
  expect(await current()).toBe("indexed");
  expect(await valueOf(api.query("app:found"))).toBe(3);

  app.write({ "convex/app.ts": version("without"), "convex/schema.ts": PLAIN });
  const kept = await deploy([], large);
  expect(kept.code).toBe(1);
  expect(kept.stderr).toMatch(/notes\.by_text/);
  expect(await valueOf(api.query("app:found"))).toBe(3);
  expect(await deploy(["--skip-large-indexes-check"], large)).toMatchObject({ code: 0 });
  expect(await current()).toBe("without");
});

test("P-I-5 preview deployments are the hosted product's: the CLI says so, and pushes nothing", async () => {
  const before = await current();
  app.write({ "convex/app.ts": version("preview") });
  const { code, stderr } = await deploy(["--preview-create", "my-branch"]);
  expect(code).toBe(1);
  expect(stderr).toContain("Preview deployments can only be created with preview deploy keys.");
  expect(await current()).toBe(before);
});
