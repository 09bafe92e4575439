import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api, type Kind, startRuntimeApp } from "./api.ts";

const APP = join(FIXTURES, "runtime-app");

let backend: TestBackend;
let api: Api;
let app: AppCopy;

beforeAll(async () => {
  backend = await startRuntimeApp();
  api = new Api(backend);
  app = new AppCopy(APP);
});
afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

const KINDS: [Kind, string][] = [
  ["query", "variables:inQuery"],
  ["mutation", "variables:inMutation"],
  ["action", "variables:inAction"],
];

test.each(KINDS)("P-E-2 a %s has the URLs of the deployment", async (kind, path) => {
  const { cloud, site, unset } = await api.value(kind, path);
  expect([cloud, site, unset]).toEqual([backend.url, backend.siteUrl.replace(/\/$/, ""), true]);
});

test.each(["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"])("P-E-2 E-G-6 %s cannot be set or removed", async (name) => {
  const text = `Environment variable with name "${name}" is built-in and cannot be overridden`;
  for (const args of [
    ["set", name, "http://elsewhere"],
    ["remove", name],
  ]) {
    const result = await convex(app.path, backend, ["env", ...args]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(text);
  }
  expect(await api.value("query", "variables:inQuery")).toMatchObject({ cloud: backend.url });
});

test("P-E-1 a variable that is set, changed or removed is so for the next call, without a push", async () => {
  const greeting = async (): Promise<unknown> => Promise.all(KINDS.map(async ([kind, path]) => read(kind, path)));
  const read = async (kind: Kind, path: string): Promise<unknown> => {
    const { greeting: now, atImport } = await api.value(kind, path);
    return [now, atImport];
  };
  expect(await greeting()).toEqual(KINDS.map(() => [null, null]));
  for (const value of ["hello", "héllo = \"x\" 'y'\nsecond line"]) {
    expect((await convex(app.path, backend, ["env", "set", "GREETING", value])).code).toBe(0);
    expect(await greeting()).toEqual(KINDS.map(() => [value, value]));
  }
  expect((await convex(app.path, backend, ["env", "remove", "GREETING"])).code).toBe(0);
  expect(await greeting()).toEqual(KINDS.map(() => [null, null]));
});

test("P-E-1 many calls at once all see their variables", async () => {
  expect((await convex(app.path, backend, ["env", "set", "GREETING", "to all"])).code).toBe(0);
  const seen = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const [kind, path] = KINDS[i % KINDS.length] ?? ["query", ""];
      return (await api.value(kind, path)).greeting;
    }),
  );
  expect(new Set(seen)).toEqual(new Set(["to all"]));
});

test("P-E-1 variables answer by name and cannot be listed", async () => {
  expect(await api.value("query", "variables:keys", { variable: "CONVEX_CLOUD_URL" })).toEqual({
    keys: [],
    has: false,
  });
});

test("E-G-6 names, sizes and numbers of variables have limits, and nothing is set beyond them", async () => {
  const set = (name: string, value: string) =>
    fetch(`${backend.url}/api/update_environment_variables`, {
      method: "POST",
      headers: { "content-type": "application/json", ...api.asAdmin() },
      body: JSON.stringify({
        changes: [
          { name: "KEPT", value: "never" },
          { name, value },
        ],
      }),
    }).then(async (response) => ({ http: response.status, ...((await response.json()) as object) }));
  for (const name of ["1A", "A-B", ""]) {
    expect(await set(name, "x")).toMatchObject({ http: 400, code: "EnvironmentVariableNameInvalid" });
  }
  expect(await set("A".repeat(257), "x")).toMatchObject({ http: 400, code: "EnvironmentVariableNameTooLong" });
  expect(await set("BIG", "x".repeat(8193))).toMatchObject({ http: 400, code: "EnvironmentVariableValueTooLarge" });
  const listed = await api.value("query", "variables:one", { variable: "KEPT" });
  expect(listed).toBeNull();
});

test("E-G-6 an auth config that reads a variable nobody set is refused by its name", async () => {
  using copy = new AppCopy(APP);
  writeFileSync(
    join(copy.path, "convex/auth.config.ts"),
    `export default { providers: [{ domain: process.env.AUTH_DOMAIN, applicationID: "app" }] };\n`,
  );
  const { code, stderr } = await convex(copy.path, backend, ["deploy", "--yes", "--typecheck=disable"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/Environment variable .*AUTH_DOMAIN.* is used in auth config file but its value was not set/);
});

describe("what an app declares", () => {
  const CONFIG = `import { defineApp } from "convex/server";
import { v } from "convex/values";

export default defineApp({
  env: { TOKEN: v.string(), MODE: v.optional(v.union(v.literal("fast"), v.literal("slow"))) },
});
`;

  test("P-E-3 E-G-6 is checked at the push, when it is set and when it is removed", async () => {
    await using declaring = await startBackend();
    using copy = new AppCopy(APP);
    writeFileSync(join(copy.path, "convex/convex.config.ts"), CONFIG);
    const push = () => convex(copy.path, declaring, ["deploy", "--yes", "--typecheck=disable"]);
    const env = (...args: string[]) => convex(copy.path, declaring, ["env", ...args]);
    const missing = "Required environment variables are not set: TOKEN.";

    const refused = await push();
    // The official CLI knows the code of the refusal and words it itself.
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("TOKEN is declared as required in convex.config.ts but its value was not set");
    expect((await new Api(declaring).call("query", "kinds:q")).error).toContain("Could not find public function");
    expect(await env("set", "TOKEN", "t")).toMatchObject({ code: 0 });
    expect(await push()).toMatchObject({ code: 0 });

    const removed = await env("remove", "TOKEN");
    expect([removed.code, removed.stderr.includes(missing)]).toEqual([1, true]);
    const wrong = await env("set", "MODE", "wrong");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('"MODE" doesn\'t match the validator');
    expect(await env("set", "MODE", "slow")).toMatchObject({ code: 0 });
    expect(await env("remove", "MODE")).toMatchObject({ code: 0 });
    expect(await new Api(declaring).value("query", "kinds:q")).toBe("query");
  });
});

test("P-E-4 convex.json moves the functions elsewhere", async () => {
  await using other = await startBackend();
  using copy = new AppCopy(APP);
  mkdirSync(join(copy.path, "src"));
  renameSync(join(copy.path, "convex"), join(copy.path, "src/backend"));
  rmSync(join(copy.path, "convex"), { recursive: true, force: true });
  writeFileSync(join(copy.path, "convex.json"), JSON.stringify({ functions: "src/backend/" }));
  const pushed = await convex(copy.path, other, ["deploy", "--yes", "--typecheck=disable"]);
  expect(pushed).toMatchObject({ code: 0 });
  const moved = new Api(other);
  expect(await moved.value("query", "kinds:q")).toBe("query");
  expect(await moved.error("query", "errors:plain")).toMatch(/\(\.\.\/src\/backend\/errors\.ts:\d+:\d+\)\n$/);
});

test("P-F-28 the set of functions is fixed when they are pushed, whatever a variable becomes later", async () => {
  await using own = await startBackend();
  using copy = new AppCopy(APP);
  writeFileSync(
    join(copy.path, "convex/flagged.ts"),
    `import { query } from "./_generated/server";

export const always = query({ args: {}, handler: () => "always" });
export const maybe = process.env.FLAG === undefined ? query({ args: {}, handler: () => "maybe" }) : undefined;
export const never = process.env.FLAG === undefined ? undefined : query({ args: {}, handler: () => "never" });
`,
  );
  expect(await convex(copy.path, own, ["deploy", "--yes", "--typecheck=disable"])).toMatchObject({ code: 0 });
  const flagged = new Api(own);
  const state = async () => [
    await flagged.value("query", "flagged:always"),
    await flagged.call("query", "flagged:maybe").then(({ value, error }) => value ?? error),
    await flagged.error("query", "flagged:never"),
  ];
  const unknown = "Could not find public function for 'flagged:never'. Did you forget to run `npx convex dev`?\n";
  expect(await state()).toEqual(["always", "maybe", unknown]);
  expect((await convex(copy.path, own, ["env", "set", "FLAG", "1"])).code).toBe(0);
  expect(await state()).toEqual([
    "always",
    // Still one of the app's functions; what its module exports is no function now.
    expect.stringContaining("maybe"),
    unknown,
  ]);
});
