import { beforeEach, expect, test } from "vitest";
import { dueKey } from "../../../src/engine/due-queue.ts";
import type { IndexKey, InternalId, TableId } from "../../../src/engine/names.ts";
import type { LostPhase, RunJobAnswer } from "../../../src/protocol/scheduling.ts";
import { Dispatcher } from "../../../src/scheduler/dispatcher.ts";
import { SILENT_LOG } from "../../support/scheduler/silent-log.ts";

/** The dispatcher, asked and answered by hand. */

const NOW = 1_700_000_000_000;

function key(n: number, dueAt = NOW - 1000 + n): IndexKey {
  return dueKey({ dueAt, tableId: 1 as TableId, id: n.toString(16).toUpperCase().padStart(32, "0") as InternalId });
}

interface Asked {
  readonly key: IndexKey;
  readonly phase: LostPhase;
  readonly answer: (answer: RunJobAnswer) => void;
  readonly fail: () => void;
}

let now: number;
let queue: IndexKey[];
let asked: Asked[];
let alarms: number[];
let looks: number[];
let actions: { readonly key: IndexKey; readonly end: () => void; readonly lose: () => void }[];

beforeEach(() => {
  now = NOW;
  queue = [];
  asked = [];
  alarms = [];
  looks = [];
  actions = [];
});

function dispatcher(parallelism = 4): Dispatcher {
  return new Dispatcher(
    {
      due: async (limit) => {
        looks.push(limit);
        return queue.slice(0, limit);
      },
      runJob: (jobKey, phase) => {
        const { promise, resolve, reject } = Promise.withResolvers<RunJobAnswer>();
        asked.push({ key: jobKey, phase, answer: resolve, fail: () => reject(new Error("lost")) });
        return promise;
      },
      runAction: (jobKey) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        actions.push({ key: jobKey, end: resolve, lose: () => reject(new Error("lost")) });
        return promise;
      },
      alarm: { set: (at) => alarms.push(at) },
      clock: { now: () => now },
      log: SILENT_LOG,
      jitter: () => 1,
    },
    { parallelism, retryInitialMs: 200, retryMaxMs: 60_000 },
  );
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const DONE: RunJobAnswer = { kind: "done" };
const ACTION: RunJobAnswer = {
  kind: "action",
  call: {
    path: { component: "", module: "a.js", function: "b" },
    args: "[]",
    identity: { kind: "system" },
    context: { requestId: "", ip: null, userAgent: null, scheduledFunctionId: null, caller: "Scheduler" },
    visibility: "internal",
  },
};

async function done(jobKey: IndexKey): Promise<void> {
  asked.find((one) => one.key === jobKey)?.answer(DONE);
  queue = queue.filter((one) => one !== jobKey);
  await settle();
}

test("SCH6 what a commit tells of is started without asking the database", async () => {
  const jobs = dispatcher();
  jobs.wake(false);
  await settle();
  looks = [];
  jobs.notify([key(1), key(2)]);
  expect(asked.map((one) => one.key)).toEqual([key(1), key(2)]);
  await done(key(1));
  await done(key(2));
  expect(looks).toEqual([]);
});

test("SCH7 no more run at once than allowed, the oldest first; a free place is filled", async () => {
  queue = [1, 2, 3, 4, 5, 6].map((n) => key(n));
  const jobs = dispatcher(2);
  jobs.wake(false);
  await settle();
  expect(asked.map((one) => one.key)).toEqual([key(1), key(2)]);
  await done(key(2));
  expect(asked.map((one) => one.key)).toEqual([key(1), key(2), key(3)]);
  expect(jobs.running).toBe(2);
  for (const n of [1, 3, 4, 5, 6]) await done(key(n));
  expect(asked.map((one) => one.key)).toEqual([1, 2, 3, 4, 5, 6].map((n) => key(n)));
  expect(jobs.running).toBe(0);
});

test("SCH7 who comes later does not overtake what is still in the database", async () => {
  const jobs = dispatcher(1);
  queue = [key(1), key(2), key(9)];
  jobs.notify([key(9)]);
  await settle();
  for (const n of [1, 2, 9]) {
    expect(asked.at(-1)?.key).toBe(key(n));
    await done(key(n));
  }
});

test("SCH8 the alarm is set for the first job that is not due, once", async () => {
  const jobs = dispatcher();
  queue = [key(1, NOW + 5_000), key(2, NOW + 9_000)];
  jobs.wake(false);
  await settle();
  // Also the one that finds what a crash leaves behind while it looks.
  expect(alarms.at(-1)).toBe(NOW + 5_000);
  const count = alarms.length;
  jobs.notify([key(3, NOW + 7_000)]);
  await settle();
  expect(alarms).toHaveLength(count);
  jobs.notify([key(4, NOW + 2_000)]);
  expect(alarms.at(-1)).toBe(NOW + 2_000);
});

test("SCH8 an alarm that fires twice or with nothing to do changes nothing", async () => {
  const jobs = dispatcher();
  queue = [key(1)];
  jobs.wake(true);
  jobs.wake(true);
  await settle();
  jobs.wake(true);
  await settle();
  expect(asked.map((one) => one.key)).toEqual([key(1)]);
});

test("SCH9 a job of which nothing was heard is asked about again after a wait, as one that may be marked as started", async () => {
  const jobs = dispatcher();
  jobs.notify([]);
  await settle();
  jobs.notify([key(1)]);
  asked[0]?.fail();
  await settle();
  expect(asked).toHaveLength(1);
  expect(alarms.at(-1)).toBe(NOW + 200);
  now += 200;
  jobs.wake(true);
  await settle();
  expect(asked.map(({ phase }) => phase)).toEqual(["unknown", "starting"]);
  asked[1]?.fail();
  await settle();
  // Twice as long.
  expect(alarms.at(-1)).toBe(now + 400);
});

test("SCH9 an action that is lost while it runs is asked about at once, and never started again by itself", async () => {
  const jobs = dispatcher();
  jobs.notify([]);
  await settle();
  jobs.notify([key(1)]);
  asked[0]?.answer(ACTION);
  await settle();
  expect(actions).toHaveLength(1);
  actions[0]?.lose();
  await settle();
  expect(asked.map(({ phase }) => phase)).toEqual(["unknown", "running"]);
  asked[1]?.answer(DONE);
  await settle();
  expect(actions).toHaveLength(1);
});

test("SCH10 a running action is not asked about, however often the queue shows it", async () => {
  queue = [key(1), key(2)];
  const jobs = dispatcher();
  jobs.wake(false);
  await settle();
  asked[0]?.answer(ACTION);
  await done(key(2));
  for (let i = 0; i < 3; i++) {
    jobs.wake(true);
    await settle();
  }
  expect(asked.map((one) => one.key)).toEqual([key(1), key(2)]);
  // While something runs, an alarm is never far: it keeps the object alive and finds what a crash leaves.
  expect(alarms.at(-1)).toBeLessThanOrEqual(now + 60_000);
});

test("SCH10 a cron job that is due again when its run ends is not forgotten", async () => {
  const jobs = dispatcher();
  jobs.notify([]);
  await settle();
  jobs.notify([key(1)]);
  const again = key(1, NOW - 1);
  jobs.notify([again]);
  expect(asked).toHaveLength(1);
  asked[0]?.answer(DONE);
  await settle();
  expect(asked.map((one) => one.key)).toEqual([key(1), again]);
});

test("SCH11 a queue that can't be read is read again", async () => {
  let fails = true;
  const jobs = new Dispatcher(
    {
      due: async () => {
        if (fails) throw new Error("no database");
        return [key(1)];
      },
      runJob: async (jobKey) => {
        asked.push({ key: jobKey, phase: "unknown", answer: () => {}, fail: () => {} });
        return DONE;
      },
      runAction: async () => {},
      alarm: { set: (at) => alarms.push(at) },
      clock: { now: () => now },
      log: SILENT_LOG,
      jitter: () => 1,
    },
    { parallelism: 4, retryInitialMs: 200, retryMaxMs: 60_000 },
  );
  jobs.wake(false);
  await settle();
  expect(alarms.at(-1)).toBe(NOW + 200);
  fails = false;
  now += 200;
  jobs.wake(true);
  await settle();
  expect(asked[0]?.key).toBe(key(1));
});

test("SCH12 a pause holds everything until it is over, whatever comes meanwhile, and nothing is lost", async () => {
  queue = [key(1), key(2), key(3)];
  const scheduler = dispatcher(2);
  scheduler.wake(false);
  await settle();
  expect(asked.map((one) => one.key)).toEqual([key(1), key(2)]);
  for (const one of asked) one.answer({ kind: "held" });
  await settle();
  queue.push(key(4));
  scheduler.notify([key(4)]);
  scheduler.wake(false);
  await settle();
  expect(asked).toHaveLength(2);
  expect(alarms.at(-1)).toBeGreaterThan(NOW);

  scheduler.resume();
  await settle();
  expect(asked.slice(2).map((one) => one.key)).toHaveLength(2);
  const tried = new Set<IndexKey>();
  for (let i = 2; i < asked.length; i++) {
    const one = asked[i];
    if (one === undefined) throw new Error("asked");
    tried.add(one.key);
    queue.splice(queue.indexOf(one.key), 1);
    one.answer(DONE);
    await settle();
  }
  expect([...tried].toSorted()).toEqual([key(1), key(2), key(3), key(4)]);
});

test("SCH12 an answer from before the end of a pause holds nothing up, and without word of the end it is tried again", async () => {
  queue = [key(1)];
  const scheduler = dispatcher();
  scheduler.wake(false);
  await settle();
  scheduler.resume();
  asked[0]?.answer({ kind: "held" });
  await settle();
  expect(asked).toHaveLength(2);

  asked[1]?.answer({ kind: "held" });
  await settle();
  expect(asked).toHaveLength(2);
  now = alarms.at(-1) ?? 0;
  scheduler.wake(true);
  await settle();
  expect(asked).toHaveLength(3);
});
