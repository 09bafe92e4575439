import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually } from "../../support/scheduled-jobs.ts";

/** The published components that make work durable, as they come from npm. */

const data = mkdtempSync(join(tmpdir(), "convection-durable-"));
let backend: TestBackend;
let api: ApiClient;

async function start(app?: string): Promise<void> {
  backend = await startBackend({ data, ...(app === undefined ? {} : { app }) });
  api = new ApiClient(backend);
}

beforeAll(() => start(join(FIXTURES, "durable-app")));

afterAll(async () => {
  await backend?.stop();
  rmSync(data, { recursive: true, force: true });
});

/** The notes of a topic as soon as there are so many. */
async function notes(topic: string, count: number): Promise<unknown[]> {
  return await eventually(async () => {
    const found = await valueOf(api.query("notes:list", { topic }));
    return Array.isArray(found) && found.length >= count ? found : null;
  });
}

test("P-S-14 S4-9 the action retrier tries again until it succeeds, and gives up after its failures", async () => {
  const good = await valueOf(api.mutation("retrier:run", { topic: "good", failures: 2 }));
  const bad = await valueOf(api.mutation("retrier:run", { topic: "bad", failures: 99 }));
  expect(await notes(`completed ${String(good)}`, 1)).toEqual([{ type: "success", returnValue: "done by attempt 3" }]);
  expect(await notes(`completed ${String(bad)}`, 1)).toEqual([
    { type: "failed", error: expect.stringContaining("failure 4") },
  ]);
  expect(await notes("good", 3)).toHaveLength(3);
  expect(await notes("bad", 4)).toHaveLength(4);
});

test("P-S-14 a workpool runs no more at once than it may, and tells the end of each", async () => {
  await valueOf(api.mutation("pool:enqueue", { topic: "pool", count: 6 }));
  await valueOf(api.mutation("pool:enqueueAndCancel", { topic: "pool" }));
  const completed = (await notes("pool completed", 7)) as { n: number; result: unknown }[];
  expect(completed.toSorted((a, b) => a.n - b.n)).toEqual([
    { n: 0, result: { kind: "canceled" } },
    { n: 1, result: { kind: "success", returnValue: 10 } },
    { n: 2, result: { kind: "success", returnValue: 20 } },
    { n: 3, result: { kind: "failed", error: expect.stringContaining("the third fails") } },
    { n: 4, result: { kind: "success", returnValue: 40 } },
    { n: 5, result: { kind: "success", returnValue: 50 } },
    { n: 6, result: { kind: "success", returnValue: 60 } },
  ]);
  const atOnce = (await notes("pool ended", 6)) as number[];
  expect(atOnce).toHaveLength(6);
  expect(Math.max(...atOnce)).toBe(2);
});

test("P-S-14 S0-35 a workflow goes on after kill -9 where it was: its steps ran once", async () => {
  const id = await valueOf(api.mutation("flows:begin", { topic: "flow" }));
  expect(await notes("flow", 2)).toEqual(["first", "waits"]);
  await backend.kill();
  await start();
  await valueOf(api.mutation("flows:approve", { id, by: "somebody" }));
  expect(await notes("flow completed", 1)).toEqual([
    {
      kind: "success",
      returnValue: {
        first: 1,
        retried: "done by attempt 3",
        counted: 1,
        by: "somebody",
        child: 3,
        refused: expect.stringContaining("refused"),
      },
    },
  ]);
  expect(await notes("flow", 3)).toEqual(["first", "waits", "child"]);
  expect(await notes("flow flaky", 3)).toHaveLength(3);
});
