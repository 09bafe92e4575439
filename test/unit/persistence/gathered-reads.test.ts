import { expect, test } from "vitest";
import type { InternalId, TableId } from "../../../src/engine/names.ts";
import type { Head, Read } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { type Answer, GatheredReads } from "../../../src/persistence/d1/gathered-reads.ts";
import { ManualTimers } from "../../support/manual-timers.ts";

const MAX_ROWS = 100;
const STALLED_MS = 2_000;
const GATHER_MS = 5;

function point(id: string): Read {
  return { kind: "get", tableId: 1 as TableId, id: id as InternalId };
}

/** A database that answers when it is told to, each document by its id. */
function world() {
  const timers = new ManualTimers();
  /** One that went away waits for nothing any more. */
  const requests = { goAway: false };
  const trips: { ids: string[]; answer: () => void; fail: (error: Error) => void }[] = [];
  const gathered = new GatheredReads({
    timers: {
      after: (ms, run) => (requests.goAway && ms === GATHER_MS ? () => {} : timers.after(ms, run)),
    },
    keepAlive: () => {},
    send: (reads) => {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const ids = reads.map((read) => (read.kind === "get" ? String(read.id) : "range"));
      const head: Head = {
        ts: trips.length as Timestamp,
        writer: "",
        catalogTs: 0 as Timestamp,
        retainedFrom: 0 as Timestamp,
      };
      const results = ids.map((id) => ({ json: id, size: 0, ts: 0 as Timestamp }));
      trips.push({ ids, answer: () => resolve({ head, results }), fail: reject });
      return promise;
    },
  });
  const ask = async (...ids: string[]): Promise<string> => {
    const { head, results } = await gathered.read(ids.map(point));
    return `${head.ts}: ${results.map((result) => (result !== null && "json" in result ? result.json : "?")).join(" ")}`;
  };
  const trip = async (index: number) => {
    // Whatever leads to a round trip is done in microtasks.
    for (let i = 0; i < 20 && trips[index] === undefined; i++) await Promise.resolve();
    const found = trips[index];
    if (found === undefined) throw new Error(`there are ${trips.length} round trips`);
    return found;
  };
  return { timers, requests, trips, ask, trip };
}

test("PST80 questions that come while a round trip is under way share the next one, each with its own results", async () => {
  const { ask, trip, trips } = world();
  const first = ask("a");
  const others = [ask("b", "c"), ask("d")];
  expect((await trip(0)).ids).toEqual(["a"]);
  expect(trips).toHaveLength(1);
  (await trip(0)).answer();
  expect(await first).toBe("0: a");
  expect((await trip(1)).ids).toEqual(["b", "c", "d"]);
  // Too late for a round trip that has begun.
  const late = ask("e");
  (await trip(1)).answer();
  expect(await Promise.all(others)).toEqual(["1: b c", "1: d"]);
  (await trip(2)).answer();
  expect(await late).toBe("2: e");
});

test("PST81 nobody waits long for another's round trip to begin", async () => {
  const { ask, trip, trips, timers } = world();
  void ask("a");
  const second = ask("b");
  await timers.whenPending(GATHER_MS);
  expect(trips).toHaveLength(1);
  timers.advance(GATHER_MS);
  (await trip(1)).answer();
  expect(await second).toBe("1: b");
});

test("PST82 a shared round trip that fails is repeated by each of those who shared it", async () => {
  const { ask, trip } = world();
  void ask("a");
  const others = [ask("b"), ask("c")];
  (await trip(0)).answer();
  (await trip(1)).fail(new Error("too much for one"));
  expect([(await trip(2)).ids, (await trip(3)).ids]).toEqual([["b"], ["c"]]);
  (await trip(2)).answer();
  (await trip(3)).fail(new Error("this one's own"));
  expect(await others[0]).toBe("2: b");
  await expect(others[1]).rejects.toThrow("this one's own");
});

test("PST82 a round trip that nobody shared fails as it failed, and is not repeated", async () => {
  const { ask, trip, trips } = world();
  void ask("a");
  const other = ask("b");
  (await trip(0)).answer();
  (await trip(1)).fail(new Error("overloaded"));
  await expect(other).rejects.toThrow("overloaded");
  expect(trips).toHaveLength(2);
});

test("PST83 who shares a round trip that never ends asks alone after a while", async () => {
  const { ask, trip, timers } = world();
  void ask("a");
  const others = [ask("b"), ask("c")];
  (await trip(0)).answer();
  expect((await trip(1)).ids).toEqual(["b", "c"]);
  timers.advance(STALLED_MS);
  (await trip(2)).answer();
  (await trip(3)).answer();
  expect(await Promise.all(others)).toEqual(["2: b", "3: c"]);
});

test("PST83 nobody joins a round trip whose request went away before it was sent", async () => {
  const { ask, trip, timers, requests } = world();
  requests.goAway = true;
  void ask("a");
  const lost = [ask("b"), ask("c")];
  timers.advance(STALLED_MS);
  for (const i of [1, 2]) (await trip(i)).answer();
  expect(await Promise.all(lost)).toEqual(["1: b", "2: c"]);
  requests.goAway = false;
  const others = [ask("d"), ask("e")];
  timers.advance(GATHER_MS);
  expect((await trip(3)).ids).toEqual(["d", "e"]);
  (await trip(3)).answer();
  expect(await Promise.all(others)).toEqual(["3: d", "3: e"]);
});

test("PST84 a round trip holds so many rows, and what wants more goes alone at once", async () => {
  const { ask, trip } = world();
  void ask("a");
  const half = Array.from({ length: MAX_ROWS / 2 }, (_, i) => `h${i}`);
  const others = [ask(...half), ask(...half), ask("over")];
  const large = ask(...half, ...half, "large");
  expect((await trip(1)).ids).toHaveLength(MAX_ROWS + 1);
  (await trip(0)).answer();
  const sizes = [(await trip(2)).ids.length, (await trip(3)).ids.length];
  expect(sizes).toEqual([MAX_ROWS, 1]);
  for (const i of [1, 2, 3]) (await trip(i)).answer();
  expect(await others[2]).toBe("3: over");
  expect(await large).toMatch(/^1: h0 .* large$/);
});
