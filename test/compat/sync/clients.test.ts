import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Updates } from "../../support/updates.ts";

/** The official clients over WebSocket, against the running backend. */

let backend: TestBackend;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
});
afterAll(() => backend.stop());

test("P-R-6 ConvexClient subscribes, mutates and sees the update", async () => {
  await using client = connected();
  const updates = new Updates<string[]>();
  client.value.onUpdate(anyApi["messages"]!["list"]!, { channel: "first" }, (value) => updates.add(value));
  expect(await updates.next()).toEqual([]);
  await client.value.mutation(anyApi["messages"]!["send"]!, { channel: "first", body: "hello" });
  expect(await updates.next()).toEqual(["hello"]);
});

function connected(): AsyncDisposable & { readonly value: ConvexClient } {
  const value = new ConvexClient(backend.url, { skipConvexDeploymentUrlCheck: true });
  return { value, [Symbol.asyncDispose]: () => value.close() };
}
