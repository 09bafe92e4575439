import { beforeEach, describe, expect, test } from "vitest";
import { type Delivery, EventQueue, type EventQueueLimits } from "../../../src/logs/streams/event-queue.ts";

const TAKEN: Delivery = { kind: "taken" };
const LATER: Delivery = { kind: "later", reason: "status 503", afterMs: null };

/** What the receiver will say; `TAKEN` behind the last. */
let answers: Delivery[];
let batches: (readonly string[])[];
let pauses: number[];
let warnings: unknown[];
let work: Promise<void>[];
/** Runs before each answer. */
let onDelivery: () => void;

beforeEach(() => {
  answers = [];
  batches = [];
  pauses = [];
  warnings = [];
  work = [];
  onDelivery = () => {};
});

function queue(limits: Partial<EventQueueLimits> = {}): EventQueue {
  return new EventQueue({
    name: "webhook",
    async deliver(events) {
      batches.push(events);
      onDelivery();
      await Promise.resolve();
      return answers.shift() ?? TAKEN;
    },
    async pause(ms) {
      if (ms > 0) pauses.push(ms);
      await Promise.resolve();
    },
    jitter: () => 1,
    keepAlive: (promise) => void work.push(promise),
    log: { info() {}, error() {}, warn: (event, fields) => void warnings.push({ event, ...fields }) },
    limits: { gatherMs: 0, ...limits },
  });
}

async function settled(): Promise<void> {
  for (let done = -1; done !== work.length;) {
    done = work.length;
    await Promise.all(work);
  }
}

describe("P-X-5 STREAM2", () => {
  test("events go in order, in bounded batches, one at a time", async () => {
    let running = 0;
    let most = 0;
    const stream = queue({ batchEvents: 3, batchCharacters: 10 });
    onDelivery = () => {
      most = Math.max(most, ++running);
      queueMicrotask(() => running--);
    };
    stream.add(["a", "b", "c", "d"]);
    stream.add(["long long long", "x", "1234567", "1234"]);
    await settled();
    expect(batches).toEqual([["a", "b", "c"], ["d"], ["long long long"], ["x", "1234567"], ["1234"]]);
    expect([most, work.length]).toEqual([1, 1]);
    expect(warnings).toEqual([]);
  });

  test("what comes meanwhile is gathered, and a queue that was empty starts again", async () => {
    const stream = queue({ gatherMs: 200 });
    onDelivery = () => {
      if (batches.length === 1) for (const event of ["b", "c"]) stream.add([event]);
    };
    stream.add(["a"]);
    await settled();
    stream.add(["d"]);
    await settled();
    expect(batches).toEqual([["a"], ["b", "c"], ["d"]]);
    expect(pauses).toEqual([200, 200, 200]);
    stream.add([]);
    expect(work).toHaveLength(2);
  });
});

describe("P-X-5 STREAM3", () => {
  test("what can't be delivered is tried again, longer and longer apart, and nothing overtakes it", async () => {
    answers = Array.from({ length: 9 }, () => LATER);
    const stream = queue({ batchEvents: 2 });
    stream.add(["a", "b", "c"]);
    await settled();
    expect(batches).toEqual([...Array.from({ length: 10 }, () => ["a", "b"]), ["c"]]);
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(warnings[0]).toEqual({ event: "logStream.waits", stream: "webhook", reason: "status 503", events: 3 });
  });

  test("a receiver may say when to come back, within a minute", async () => {
    answers = [3000, 3_600_000].map((afterMs) => ({ ...LATER, afterMs }));
    queue().add(["a"]);
    await settled();
    expect(pauses).toEqual([3000, 60_000]);
  });

  test("what it refuses is given up, with a warning, and the next goes on", async () => {
    answers = [{ kind: "refused", reason: "status 400" }];
    queue({ batchEvents: 1 }).add(["a", "b"]);
    await settled();
    expect(batches).toEqual([["a"], ["b"]]);
    expect(warnings).toEqual([{ event: "logStream.refused", stream: "webhook", reason: "status 400", events: 1 }]);
  });
});

describe("P-X-5 STREAM4", () => {
  test.each([
    ["events", { events: 3 }],
    ["characters", { characters: 3 }],
  ])("of more %s than may wait the oldest are dropped and counted", async (_what, limits) => {
    answers = [LATER];
    const stream = queue({ batchEvents: 2, ...limits });
    onDelivery = () => {
      if (batches.length === 1) stream.add(["d", "e"]);
    };
    stream.add(["a", "b", "c"]);
    await settled();
    expect(batches).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    expect(warnings).toContainEqual({ event: "logStream.dropped", stream: "webhook", events: 2 });
  });

  test("events that were dropped while they were delivered take no others with them", async () => {
    const stream = queue({ events: 3, batchEvents: 2 });
    onDelivery = () => {
      if (batches.length === 1) stream.add(["d"]);
    };
    stream.add(["a", "b", "c"]);
    await settled();
    expect(batches).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
  });

  test("an event longer than all that may wait is dropped", async () => {
    queue({ characters: 3 }).add(["1234"]);
    await settled();
    expect(batches).toEqual([]);
  });
});
