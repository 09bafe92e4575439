import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient, errorOf, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex, type CliResult } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";

/** What pushes do to names and handles. Each test leaves the app as the fixture has it. */

const SOURCE = join(FIXTURES, "mission-app/convex");

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

function deploy(): Promise<CliResult> {
  return convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
}

function file(name: string): string {
  return join(app.path, "convex", name);
}

function original(name: string): string {
  return readFileSync(join(SOURCE, name), "utf8");
}

test("S4-19 E-A-8 a stored handle outlives pushes, until one removes its function", async () => {
  const name = "stored";
  const handle = await valueOf(api.mutation("handles:store", { name }));
  const channel = "handles";
  const use = (text: string) => api.action("handles:use", { handle, args: { channel, text } });
  expect(await valueOf(use("v1"))).toBe("done");

  writeFileSync(file("handles.ts"), original("handles.ts").replace("by handle: ${text}", "by v2: ${text}"));
  expect(await deploy()).toMatchObject({ code: 0 });
  expect(await valueOf(use("v2"))).toBe("done");
  expect(await valueOf(api.query("notes:list", { channel }))).toEqual(["by handle: v1", "by v2: v2"]);
  expect(await valueOf(api.query("handles:load", { name }))).toBe(handle);

  const removed = original("handles.ts")
    .replaceAll("internal.handles.target", "internal.handles.readTarget")
    .replace("export const target", "export const renamed");
  writeFileSync(file("handles.ts"), removed);
  expect(await deploy()).toMatchObject({ code: 0 });
  expect(await errorOf(use("v3"))).toMatch(/^Uncaught Error: Function handle not found\n/);
  expect(await valueOf(api.query("notes:list", { channel }))).toHaveLength(2);

  writeFileSync(file("handles.ts"), original("handles.ts"));
  expect(await deploy()).toMatchObject({ code: 0 });
  expect(await valueOf(use("v4"))).toBe("done");
});

test("S0-5 E-A-1 a file that is gone takes its names with it", async () => {
  writeFileSync(file("brief.ts"), original("foo/bar.ts").replace("../_generated", "./_generated"));
  expect(await deploy()).toMatchObject({ code: 0 });
  expect(await valueOf(api.action("brief:baz", { a: 1 }))).toBe("baz 1");
  rmSync(file("brief.ts"));
  expect(await deploy()).toMatchObject({ code: 0 });
  expect(await errorOf(api.action("brief:baz", { a: 1 }))).toBe(
    "Could not find public function for 'brief:baz'. Did you forget to run `npx convex dev`?\n",
  );
});

test("S0-26 E-D-1 a Node built-in without the directive fails the push with the hint, and changes nothing", async () => {
  writeFileSync(
    file("disk.ts"),
    'import fs from "fs";\nimport { action } from "./_generated/server";\nexport const f = action({ handler: () => fs.readdirSync("/") });\n',
  );
  writeFileSync(file("foo/bar.ts"), original("foo/bar.ts").replace("baz ", "never seen "));
  const failed = await deploy();
  rmSync(file("disk.ts"));
  writeFileSync(file("foo/bar.ts"), original("foo/bar.ts"));
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain(
    'It looks like you are using Node APIs from a file without the "use node" directive.',
  );
  expect(failed.stderr).toContain("https://docs.convex.dev/functions/runtimes#nodejs-runtime");
  expect(await valueOf(api.action("foo/bar:baz", { a: 1 }))).toBe("baz 1");
});

test("E-A-2 an export that was there when it was pushed and is not there when it runs is named", async () => {
  const env = (...args: string[]) => convex(app.path, backend, ["env", ...args]);
  expect(await env("set", "FLAG", "on")).toMatchObject({ code: 0 });
  writeFileSync(
    file("conditional.ts"),
    'import { action } from "./_generated/server";\n' +
      'export const f = process.env["FLAG"] === "on" ? action({ handler: () => "on" }) : undefined;\n',
  );
  expect(await deploy()).toMatchObject({ code: 0 });
  expect(await valueOf(api.action("conditional:f"))).toBe("on");
  expect(await env("remove", "FLAG")).toMatchObject({ code: 0 });
  expect(await errorOf(api.action("conditional:f"))).toBe(`Couldn't find "f" in module "conditional.js".\n`);
  rmSync(file("conditional.ts"));
});

test("E-A-15 functions of a package that is too old are refused", async () => {
  const body = (udfServerVersion: string) => ({
    adminKey: backend.adminKey,
    dryRun: true,
    functions: "convex/",
    appDefinition: {
      definition: null,
      dependencies: [],
      schema: null,
      changedModules: [],
      unchangedModuleHashes: [],
      udfServerVersion,
    },
    componentDefinitions: [],
    nodeDependencies: [],
  });
  const push = async (version: string) => {
    const response = await api.post("/api/deploy2/start_push", body(version), {
      authorization: `Convex ${backend.adminKey}`,
    });
    const answer: { message?: string } = await response.json();
    return { status: response.status, message: answer.message };
  };
  const text =
    "Hit an error while pushing:\nConvex functions at or below version 0.19.1 are no longer supported. Update your Convex npm package and then push " +
    "your functions again with `npx convex deploy` or `npx convex dev`.";
  for (const version of ["0.19.1", "0.1.0", "0.19.1-alpha.3", "nonsense"]) {
    expect(await push(version), version).toEqual({ status: 400, message: text });
  }
  expect(await push("1.48.0")).toMatchObject({ status: 200 });
  expect(await push("0.20.0")).toMatchObject({ status: 200 });
});
