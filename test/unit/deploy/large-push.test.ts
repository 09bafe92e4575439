import { expect, test } from "vitest";
import { realmBundle } from "../../../src/runtime/code/realm-bundle.ts";
import { body, module } from "../../support/deploy/body.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";

test("CMP1 storing a push of many modules lets other requests have their turn", async () => {
  const deployment = new TestDeployment();
  const changed = Array.from({ length: 80 }, (_, n) => module(`m${n}.js`, `export const n = ${n};`));
  await deployment.start(body({ changedModules: changed }));
  expect(deployment.pauses).toBeGreaterThanOrEqual(80 / 8);
  for (const { source } of changed) expect([...deployment.bucket.objects.values()]).toContain(source);
});

test("CMP1 so does rewriting them, every half megabyte", async () => {
  const text = `export const text = "${"x".repeat(300 * 1024)}";`;
  const bundles = new Map([["b", Object.fromEntries(["1", "2", "3", "4", "5"].map((n) => [`app/${n}.js`, text]))]]);
  let pauses = 0;
  const rewritten = await realmBundle(
    {
      bundle: async (key) => bundles.get(key) ?? null,
      putBundle: async () => undefined,
    },
    "b",
    async () => {
      pauses++;
    },
  );
  expect([pauses, Object.keys(rewritten ?? {}).length]).toEqual([2, 5]);
});
