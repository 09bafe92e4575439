import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";

/** A component with variables of its own, mounted twice, which hands one of them down. Later tests push other versions. */

const CONFIG = `import { defineApp } from "convex/server";
import { v } from "convex/values";
import mailer from "./mailer/convex.config";

const app = defineApp({ env: { MAIL_KEY: v.string(), MAIL_MODE: v.optional(v.string()) } });
app.use(mailer, { httpPrefix: "/mail/", env: { API_KEY: app.env.MAIL_KEY, MODE: app.env.MAIL_MODE } });
app.use(mailer, { name: "second", env: { API_KEY: "written down", MODE: "slow" } });
export default app;
`;

const MAILER = `import { defineComponent } from "convex/server";
import { v } from "convex/values";
import signer from "../signer/convex.config";

const component = defineComponent("mailer", { env: { API_KEY: v.string(), MODE: v.optional(v.string()) } });
component.use(signer, { httpPrefix: "/sign/", env: { SECRET: component.env.API_KEY } });
export default component;
`;

const SIGNER = `import { defineComponent } from "convex/server";
import { v } from "convex/values";

export default defineComponent("signer", { env: { SECRET: v.string() } });
`;

/** What a handler sees, through the generated \`env\` and by name. */
const SEEN = `import { v } from "convex/values";
import { action, env, httpAction, mutation, query } from "./_generated/server";

const variables = process.env;
const names = ["API_KEY", "MODE", "SECRET", "MAIL_KEY", "UNDECLARED", "CONVEX_CLOUD_URL", "CONVEX_SITE_URL"];
const seen = () => Object.fromEntries(names.map((name) => [name, variables[name] ?? null]));
`;

const MAILER_LIB = `${SEEN}
export const inQuery = query({ args: {}, returns: v.any(), handler: () => ({ ...seen(), env: env.API_KEY }) });
export const inMutation = mutation({ args: {}, returns: v.any(), handler: () => ({ ...seen(), env: env.API_KEY }) });
export const inAction = action({ args: {}, returns: v.any(), handler: () => ({ ...seen(), env: env.API_KEY }) });
`;

const MAILER_BELOW = `import { v } from "convex/values";
import { components } from "./_generated/api";
import { query } from "./_generated/server";

export const below = query({
  args: {},
  returns: v.any(),
  handler: async (ctx): Promise<unknown> => await ctx.runQuery(components.signer.lib.inQuery, {}),
});
`;

const SIGNER_LIB = `${SEEN}
export const inQuery = query({ args: {}, returns: v.any(), handler: () => ({ ...seen(), env: env.SECRET }) });
`;

const HTTP = `import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";

const http = httpRouter();
http.route({
  path: "/where",
  method: "GET",
  handler: httpAction(async () => new Response(process.env.CONVEX_SITE_URL)),
});
export default http;
`;

const MAIN = `import { components } from "./_generated/api";
import { action, env } from "./_generated/server";

export const all = action({
  args: {},
  handler: async (ctx): Promise<Record<string, unknown>> => ({
    app: env.MAIL_KEY,
    query: await ctx.runQuery(components.mailer.lib.inQuery, {}),
    mutation: await ctx.runMutation(components.mailer.lib.inMutation, {}),
    action: await ctx.runAction(components.mailer.lib.inAction, {}),
    below: await ctx.runQuery(components.mailer.below.below, {}),
    second: await ctx.runQuery(components.second.lib.inQuery, {}),
    belowSecond: await ctx.runQuery(components.second.below.below, {}),
  }),
});
`;

const TSCONFIG = JSON.stringify({
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
  // Not what imports the references of a component to its own child: their path, as the official CLI writes it, is wrong.
  include: ["./main.ts", "./convex.config.ts", "./mailer/lib.ts"],
});

let backend: TestBackend;
let app: ConvexApp;
let api: ApiClient;

beforeAll(async () => {
  backend = await startBackend();
  api = new ApiClient(backend);
  app = new ConvexApp({
    "convex/tsconfig.json": TSCONFIG,
    "convex/convex.config.ts": CONFIG,
    "convex/main.ts": MAIN,
    "convex/http.ts": HTTP,
    "convex/mailer/convex.config.ts": MAILER,
    "convex/mailer/lib.ts": MAILER_LIB,
    "convex/mailer/below.ts": MAILER_BELOW,
    "convex/mailer/http.ts": HTTP,
    "convex/signer/convex.config.ts": SIGNER,
    "convex/signer/lib.ts": SIGNER_LIB,
    "convex/signer/http.ts": HTTP,
  });
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

const all = async () => (await valueOf(api.action("main:all"))) as Record<string, Record<string, unknown>>;

async function setVariable(name: string, value: string): Promise<void> {
  expect(await app.convex(backend, "env", "set", name, value)).toMatchObject({ code: 0 });
}

test("P-C-5 P-C-1 each instance has the values it was mounted with, by env and by process.env, in every kind of function", async () => {
  await setVariable("MAIL_KEY", "from the app");
  await setVariable("UNDECLARED", "the app's own");
  await app.deploy(backend);

  const site = backend.siteUrl.replace(/\/$/, "");
  const cloud = { CONVEX_CLOUD_URL: backend.url };
  const nothing = { MAIL_KEY: null, UNDECLARED: null };
  const first = { ...nothing, ...cloud, API_KEY: "from the app", MODE: null, SECRET: null, env: "from the app" };
  const mounted = { ...first, CONVEX_SITE_URL: `${site}/mail` };
  const signer = { ...nothing, ...cloud, API_KEY: null, MODE: null };
  expect(await all()).toEqual({
    app: "from the app",
    query: mounted,
    mutation: mounted,
    action: mounted,
    below: { ...signer, SECRET: "from the app", env: "from the app", CONVEX_SITE_URL: `${site}/mail/sign` },
    second: { ...first, API_KEY: "written down", MODE: "slow", env: "written down", CONVEX_SITE_URL: site },
    belowSecond: expect.objectContaining({ ...signer, SECRET: "written down", env: "written down" }),
  });
});

test("P-C-5 CONVEX_SITE_URL of a component is where its HTTP actions answer", async () => {
  const site = backend.siteUrl.replace(/\/$/, "");
  for (const prefix of ["", "/mail", "/mail/sign"]) {
    const response = await fetch(`${site}${prefix}/where`);
    expect([response.status, await response.text()]).toEqual([200, `${site}${prefix}`]);
  }
});

test("P-C-5 a value given by reference follows the app's variable without a push, an optional one comes and goes", async () => {
  await setVariable("MAIL_KEY", "changed");
  await setVariable("MAIL_MODE", "fast");
  const changed = await all();
  expect(changed["action"]).toMatchObject({ API_KEY: "changed", MODE: "fast", env: "changed" });
  expect(changed["below"]).toMatchObject({ SECRET: "changed" });
  expect(changed["second"]).toMatchObject({ API_KEY: "written down", MODE: "slow" });
  expect(await app.convex(backend, "env", "remove", "MAIL_MODE")).toMatchObject({ code: 0 });
  expect((await all())["query"]).toMatchObject({ API_KEY: "changed", MODE: null });
});

test("P-C-5 the generated types of a component know what it declares", async () => {
  const checked = await app.convex(backend, "deploy", "--dry-run", "--typecheck", "enable");
  expect(checked).toMatchObject({ code: 0 });
  const text = app.read("convex/mailer/_generated/server.ts");
  expect(text).toMatch(/API_KEY: string;/);
});

test.each([
  [
    "a required one that is not given",
    "API_KEY: app.env.MAIL_KEY, ",
    "",
    'Component "mailer" is missing required env var "API_KEY"',
  ],
  ["one that the component doesn't have", "MODE: app", "MOOD: app", 'Component "mailer" has no env var named "MOOD"'],
])("P-C-5 the push fails: %s", async (_what, from, to, text) => {
  const before = await all();
  app.write({ "convex/convex.config.ts": CONFIG.replace(from, to) });
  const stderr = await app.failedDeploy(backend);
  app.write({ "convex/convex.config.ts": CONFIG });
  expect(stderr).toContain(text);
  expect(await all()).toEqual(before);
});
