import { join } from "node:path";
import plugin from "@convex-dev/eslint-plugin";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { ApiClient, valueOf } from "../../support/api-client.ts";
import { cleanEnvironment, startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";

/** An app with all that the rules of Convex's ESLint plugin warn of. */

let app: AppCopy;
let backend: TestBackend;
let api: ApiClient;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "lint-app"));
  backend = await startBackend();
  api = new ApiClient(backend);
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

const reports = z.array(
  z.object({
    filePath: z.string(),
    messages: z.array(z.object({ ruleId: z.string().nullable(), line: z.number().optional(), message: z.string() })),
  }),
);

test("P-X-10 each rule of the ESLint plugin reports, and the app is deployed and runs nevertheless", async () => {
  const deployed = await convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
  if (deployed.code !== 0) throw new Error(`the push failed\n${deployed.stderr}`);

  const eslint = new Spawned(
    process.execPath,
    [join(ROOT, "node_modules/eslint/bin/eslint.js"), "--format=json", "."],
    {
      cwd: app.path,
      env: cleanEnvironment(),
    },
  );
  expect({ code: await eslint.exited, stderr: eslint.stderr }).toEqual({ code: 1, stderr: "" });
  const found = reports
    .parse(JSON.parse(eslint.stdout))
    .flatMap(({ filePath, messages }) =>
      messages.map(({ ruleId, message }) => `${filePath.slice(app.path.length + 1)} ${ruleId ?? message}`),
    );
  const rules = Object.keys(plugin.rules).map((rule) => `@convex-dev/${rule}`);
  expect(rules.filter((rule) => !found.some((line) => line.endsWith(` ${rule}`)))).toEqual([]);
  // Nothing else, such as a file that ESLint could not read.
  expect(found.filter((line) => !rules.some((rule) => line.endsWith(` ${rule}`)))).toEqual([]);

  const id = await valueOf(api.mutation("notes:add", { channel: "lint", text: "old syntax" }));
  expect(await valueOf(api.query("notes:count", { channel: "lint" }))).toBe(2);
  expect(await valueOf(api.query("notes:get", { id }))).toBe("old syntax");
  expect(await valueOf(api.query("notes:variable"))).toBeNull();
  expect(await valueOf(api.action("node:version"))).toMatch(/^v\d+\./);
});
