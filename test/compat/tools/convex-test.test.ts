import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference, type UserIdentity } from "convex/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { behaviour, type Host } from "../../fixtures/tested-app/tests/behaviour.ts";
import { ApiClient, errorOf, valueOf } from "../../support/api-client.ts";
import { cleanEnvironment, startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";

/** An app with tests of its own, written with convex-test, and the same expectations put to the deployed app. */

let app: AppCopy;
let backend: TestBackend;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "tested-app"));
  backend = await startBackend({ app: app.path });
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

const report = z.object({
  success: z.boolean(),
  testResults: z.array(
    z.object({
      assertionResults: z.array(
        z.object({ title: z.string(), status: z.string(), failureMessages: z.array(z.string()) }),
      ),
    }),
  ),
});

test("S4-20 P-X-8 P-C-7 the app's own convex-test suite passes, components included", async () => {
  const output = join(app.path, "report.json");
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const child = new Spawned(
    process.execPath,
    [vitest, "run", "--root", app.path, "--reporter=json", `--outputFile=${output}`],
    { cwd: app.path, env: { ...cleanEnvironment(), VITEST: undefined } },
  );
  await child.exited;
  if (!existsSync(output)) throw new Error(`there is no report\n${child.stdout}\n${child.stderr}`);
  const { testResults } = report.parse(JSON.parse(readFileSync(output, "utf8")));
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  expect(results.filter(({ status }) => status !== "passed")).toEqual([]);
  const titles = results.map(({ title }) => title);
  expect(titles).toEqual(expect.arrayContaining(Object.keys(behaviour)));
  expect(titles.length).toBeGreaterThan(Object.keys(behaviour).length);
});

test("EXE10 an action returns and takes the id of a table's first document at once", async () => {
  const api = new ApiClient(backend);
  const id = await valueOf(api.action("blobs:store", { text: "the first file" }));
  expect(await valueOf(api.action("blobs:read", { id }))).toBe("the first file");
  expect(await errorOf(api.action("blobs:read", { id: "no id" }))).toContain("ArgumentValidationError");
});

describe("the same on the running backend", () => {
  test.each(Object.entries(behaviour))("S4-20 P-X-8 P-C-7 %s", async (_title, holds) => {
    await holds(deployed(), randomUUID());
  });
});

/** The deployed functions, internal ones too, as an admin calls them. */
function deployed(identity?: Partial<UserIdentity>): Host {
  const client = new ConvexHttpClient(backend.url, { skipConvexDeploymentUrlCheck: true, logger: false });
  // What the CLI uses; the package's types hide it.
  const admin = client as unknown as { setAdminAuth(key: string, identity?: Partial<UserIdentity>): void };
  admin.setAdminAuth(backend.adminKey, identity === undefined ? undefined : { subject: "", issuer: "", ...identity });
  return {
    query: (reference, args) => client.query(reference, args),
    mutation: (reference, args) => client.mutation(reference, args),
    action: (reference, args) => client.action(reference, args),
    fetch: (path, init) => fetch(`${backend.siteUrl}${path}`, init),
    withIdentity: (other) => deployed(other),
    settled: async () => {
      const waiting = makeFunctionReference<"query">("jobs:waiting");
      await expect.poll(() => client.query(waiting, {}), { timeout: 30_000 }).toBe(0);
    },
  };
}
