import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestBackend } from "../../support/backend.ts";
import { Api, type Answer, newGroup, startRuntimeApp } from "./api.ts";

/** Round trips that make a mutation last longer than a few others: they go on while it waits. */
const LONG = 1000;

const SPREAD_OUT =
  "Too many concurrent requests in a short period of time. Spread out your requests out over time or throttle them to avoid errors.";

const succeeded = (answers: readonly Answer[]) => answers.filter(({ status }) => status === "success").length;

function conflict(id: string, who: string): string {
  return (
    'Documents read from or written to the "items" table changed while this mutation was being run and on every ' +
    `subsequent retry. ${who} changed the document with ID "${id}". See https://docs.convex.dev/error#1`
  );
}

describe("overtaken", () => {
  let backend: TestBackend;
  let api: Api;
  beforeAll(async () => {
    // The next retry would wait, and time does not pass in a local runtime that always has something to do.
    backend = await startRuntimeApp({ env: { CONVECTION_OCC_RETRIES: "2", CONVECTION_COMMIT_GATHER_MS: "0" } });
    api = new Api(backend);
  });
  afterAll(() => backend?.stop());

  test("E-C-12 a mutation that is overtaken in each of its runs fails, and what was acknowledged is there", async () => {
    const id = await api.value("mutation", "contention:make", { group: newGroup() });
    const { added, slow } = await api.value("action", "contention:addMeanwhile", { id, reads: LONG, same: false });
    expect(slow).toBe(conflict(id, 'A call to "contention:add"'));
    expect(await api.value("query", "contention:current", { id })).toBe(added);
    // Left alone, the same call succeeds.
    expect(await api.value("mutation", "contention:addSlowly", { id, reads: LONG })).toBe(added + 1);
  });

  test("E-C-12 another call of the same mutation is told as such", async () => {
    const id = await api.value("mutation", "contention:make", { group: newGroup() });
    const { added, slow } = await api.value("action", "contention:addMeanwhile", { id, reads: LONG, same: true });
    expect(slow).toBe(conflict(id, "Another call to this mutation"));
    expect(await api.value("query", "contention:current", { id })).toBe(added);
  });
});

test("E-C-12 over HTTP it is a 503 that may be sent again", async () => {
  await using backend = await startRuntimeApp({ env: { CONVECTION_OCC_RETRIES: "0" } });
  const api = new Api(backend);
  const id = await api.value("mutation", "contention:make", { group: newGroup() });
  const add = () => api.call("mutation", "contention:add", { id, reads: LONG });
  let acknowledged = 0;
  for (let lost = 0; lost === 0;) {
    const answers = await Promise.all([add(), add(), add(), add()]);
    const failed = answers.filter(({ status }) => status !== "success");
    acknowledged += succeeded(answers);
    lost += failed.length;
    for (const answer of failed) {
      expect(answer).toEqual({
        http: 503,
        code: "OptimisticConcurrencyControlFailure",
        message: conflict(id, "Another call to this mutation"),
        logLines: [],
      });
    }
  }
  expect(await api.value("query", "contention:current", { id })).toBe(acknowledged);
});

test("E-C-7c a mutation for which the queue has no room is refused and leaves nothing, the others are run", async () => {
  await using backend = await startRuntimeApp({
    env: { CONVECTION_CONCURRENT_MUTATIONS: "1", CONVECTION_TRANSACTOR_QUEUE: "1" },
  });
  const api = new Api(backend);
  const id = await api.value("mutation", "contention:make", { group: newGroup() });
  // One runs, one waits.
  const add = () => api.call("mutation", "contention:add", { id, reads: LONG });
  const answers = await Promise.all(Array.from({ length: 12 }, add));
  const refused = answers.filter(({ status }) => status !== "success");
  expect(refused.length).toBeGreaterThan(0);
  for (const answer of refused) {
    expect(answer).toEqual({ http: 503, code: "ExecuteFullError", message: SPREAD_OUT, logLines: [] });
  }
  expect(succeeded(answers)).toBeGreaterThanOrEqual(2);
  expect(await api.value("query", "contention:current", { id })).toBe(succeeded(answers));
});

test("E-C-11 writes beyond the rate are refused and leave nothing, slower ones are stored", async () => {
  await using backend = await startRuntimeApp({ env: { CONVECTION_WRITE_BYTES_PER_SECOND: "65536" } });
  const api = new Api(backend);
  const store = () => api.call("mutation", "contention:store", { characters: 40_000 });
  // On a busy machine eight writes may be seconds apart.
  const answers: Awaited<ReturnType<typeof store>>[] = [];
  const refusals = () => answers.filter(({ status }) => status !== "success");
  while (refusals().length === 0) answers.push(...(await Promise.all(Array.from({ length: 8 }, store))));
  const refused = refusals();
  for (const answer of refused) {
    expect(answer).toEqual({
      http: 429,
      code: "TooManyWrites",
      message:
        "Too many writes per second. Your deployment is limited to 64 KiB bytes written per 1s. Reduce your write rate or " +
        "upgrade to a larger deployment. [CONVECTION_WRITE_BYTES_PER_SECOND=65536]",
      logLines: [],
    });
  }
  let stored = succeeded(answers);
  expect(stored).toBeGreaterThan(0);
  for (let slower = 0; slower < 2; slower += 1) {
    while ((await store()).status !== "success");
    stored += 1;
  }
  expect(await api.value("query", "contention:stored")).toBe(stored);
});
