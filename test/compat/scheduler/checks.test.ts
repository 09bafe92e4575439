import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestBackend, startBackend } from "../../support/backend.ts";
import { failure, freshRun } from "../../support/function-client.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Jobs } from "../../support/scheduled-jobs.ts";

let backend: TestBackend;
let jobs: Jobs;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "scheduler-app") });
  jobs = new Jobs(backend.url);
});
afterAll(() => backend?.stop());

type Place = (name: string, args?: unknown, when?: { after?: unknown; at?: unknown }) => Promise<string>;

const DAY = 86_400_000;
const FIVE_YEARS = 5 * 366 * DAY;

describe.each<[string, Place]>([
  ["a mutation", (name, args = {}, when = {}) => jobs.schedule(name, args, when)],
  ["an action", (name, args = {}, when = {}) => jobs.scheduleFromAction(name, args, when)],
])("from %s", (_, place) => {
  test("P-S-2 E-B-8 a module that does not exist is refused when it is scheduled", async () => {
    expect(await failure(place("nowhere/at/all:fn"))).toContain(
      "Attempted to schedule function at nonexistent path: nowhere/at/all.js",
    );
  });

  test("P-S-2 E-B-8 a function that is not exported is refused when it is scheduled", async () => {
    expect(await failure(place("work:missing"))).toContain(
      "Attempted to schedule function, but no exported function missing found in the file: work.js. Did you forget to export it?",
    );
  });

  test.each<[string, { after?: unknown; at?: unknown }, string]>([
    ["a delay that is no number", { after: "soon" }, "`delayMs` must be a number"],
    ["an endless delay", { after: Number.POSITIVE_INFINITY }, "`delayMs` must be a finite number"],
    ["a negative delay", { after: -1 }, "`delayMs` must be non-negative"],
    ["a time that is none", { at: "tomorrow" }, "The invoke time must a Date or a timestamp"],
  ])("P-S-1 E-B-9 %s is refused", async (_case, when, text) => {
    expect(await failure(place("work:note", { run: "never", tag: "never" }, when))).toContain(text);
  });

  test.each([
    ["future", FIVE_YEARS + DAY],
    ["past", -FIVE_YEARS - DAY],
  ])("E-B-9 more than 5 years in the %s is refused", async (where, delta) => {
    const at = Date.now() + delta;
    const text = `${new Date(at).toISOString()} is more than 5 years in the ${where}`;
    expect(await failure(place("work:note", { run: "never", tag: "never" }, { at }))).toContain(text);
  });

  test("E-B-9 almost 5 years are fine", async () => {
    const at = Date.now() + FIVE_YEARS - DAY;
    const id = await place("work:note", { run: "never", tag: "never" }, { at });
    expect(await jobs.job(id)).toMatchObject({ scheduledTime: at, state: { kind: "pending" } });
  });

  test("P-S-2 E-B-10 a query is accepted, and fails when it is due", async () => {
    const job = await jobs.over(await place("work:look"));
    expect(job.state).toEqual({
      kind: "failed",
      error:
        'Unsupported function type. "look" in module "work" is defined as a Query. Only Mutation and Action can be scheduled.',
    });
  });

  test("P-S-2 arguments are checked against the validator when the function runs", async () => {
    const job = await jobs.over(await place("work:note", { run: 1 }));
    expect(job.state).toEqual({ kind: "failed", error: expect.stringMatching(/^ArgumentValidationError: /) });
  });
});

test("P-S-1 public functions are scheduled like internal ones", async () => {
  const run = freshRun();
  await jobs.over(await jobs.schedule("pattern:mutationThatSchedulesAction", { run, text: "public" }));
  const [event] = await jobs.eventCount(run, 1);
  expect(event?.detail).toMatchObject({ text: "public" });
});

test("P-F-6 arguments keep their values: 64-bit integers, bytes, not-a-number", async () => {
  const run = freshRun();
  const detail = { big: 2n ** 62n, bytes: new Uint8Array([1, 2, 255]).buffer, nan: Number.NaN, minusZero: -0 };
  const id = await jobs.schedule("work:note", { run, tag: "values", detail });
  await jobs.over(id);
  const [event] = await jobs.events(run);
  expect(event?.detail).toEqual(detail);
  expect((await jobs.job(id))?.args).toEqual([{ run, tag: "values", detail }]);
});

test("E-F-13 1000 functions may be scheduled by one mutation, 1001 may not, and then none is", async () => {
  const run = freshRun();
  const args = { name: "work:note", args: { run, tag: "many" }, after: 3_600_000 };
  const before = (await jobs.client.query<unknown[]>("jobs:jobs")).length;
  expect(await failure(jobs.client.mutation("jobs:scheduleCount", { count: 1001, ...args }))).toContain(
    "Too many functions scheduled by this mutation (limit: 1000)",
  );
  expect(await jobs.client.query<unknown[]>("jobs:jobs")).toHaveLength(before);
  await jobs.client.mutation("jobs:scheduleCount", { count: 1000, ...args });
  expect(await jobs.client.query<unknown[]>("jobs:jobs")).toHaveLength(before + 1000);
});

const MIB = 1024 * 1024;

test("E-F-13 arguments of 5 MiB are scheduled with a warning, whole", async () => {
  const log = await FunctionLog.open(backend);
  const size = 5 * MIB;
  const [id = ""] = await jobs.client.mutation<string[]>("jobs:scheduleLarge", { sizes: [size] });
  const { logLines } = await log.completion("jobs:scheduleLarge");
  expect(JSON.stringify(logLines)).toMatch(
    /Large arguments for a single scheduled function from this mutation\. This will become a hard error in the future \(actual: 52\d{5} bytes, limit: 4194304 bytes\)\./,
  );
  const job = await jobs.job(id);
  const [args] = (job?.args ?? []) as readonly { readonly detail: string }[];
  expect(args?.detail).toHaveLength(size);
  await jobs.client.mutation("jobs:cancel", { id });
  expect((await jobs.job(id))?.state).toEqual({ kind: "canceled" });
});

test("E-F-13 arguments of 17 MiB together are refused, and nothing is scheduled", async () => {
  const before = await jobs.client.mutation<number>("jobs:count");
  const sizes = [6 * MIB, 6 * MIB, 5 * MIB];
  expect(await failure(jobs.client.mutation("jobs:scheduleLarge", { sizes }))).toContain(
    "Too large total size of the arguments of scheduled functions from this mutation (limit: 16777216 bytes)",
  );
  expect(await jobs.client.mutation<number>("jobs:count")).toBe(before);
});

test("P-S-1 what a mutation schedules does not count as its own writes", async () => {
  const metrics = await jobs.client.mutation<Record<string, { used: number }>>("jobs:metrics");
  expect(metrics["functionsScheduled"]?.used).toBe(2);
  expect(metrics["scheduledFunctionArgsBytes"]?.used).toBeGreaterThan(0);
  expect(metrics["documentsWritten"]?.used).toBe(0);
  expect(metrics["bytesWritten"]?.used).toBe(0);
});

test("E-A-14 the mutation's scheduler does not exist in an action", async () => {
  expect(await failure(jobs.client.action("jobs:mutationSchedulerInAction"))).toContain(
    "The mutation scheduler is being used outside of a Convex mutation. Didyou mean to use `ctx.mutation` to access the database?",
  );
});

test("P-F-23 an unresolved commit timestamp can't be scheduled", async () => {
  expect(await failure(jobs.client.mutation("jobs:scheduleCommitTs"))).toContain("unresolved commit timestamp");
});
