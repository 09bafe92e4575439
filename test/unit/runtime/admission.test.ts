import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Admission } from "../../../src/runtime/admission.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function admission(note = ""): Admission {
  const options = { limit: 2, waitMs: 1000, maxRunMs: 60_000, kind: "queries", note };
  return new Admission(options, { now: () => Date.now() });
}

/** A call that runs until it is ended. */
class Running {
  readonly #ended = Promise.withResolvers<void>();
  readonly done: Promise<string>;
  started = false;

  constructor(turns: Admission) {
    this.done = turns.admit(async () => {
      this.started = true;
      await this.#ended.promise;
      return "done";
    });
    this.done.catch(() => undefined);
  }

  end(): void {
    this.#ended.resolve();
  }
}

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

test("E-C-7 calls beyond the limit wait for their turn, first come first served", async () => {
  const turns = admission();
  const [a, b, c, d] = [0, 1, 2, 3].map(() => new Running(turns));
  await settle();
  expect([a, b, c, d].map((call) => call?.started)).toEqual([true, true, false, false]);
  b?.end();
  await settle();
  expect([c, d].map((call) => call?.started)).toEqual([true, false]);
  expect(await b?.done).toBe("done");
  for (const call of [a, c]) call?.end();
  await settle();
  expect(d?.started).toBe(true);
  d?.end();
  await settle();
  expect(turns.running).toBe(0);
});

test("E-C-7 who waited too long is refused, and the setting is named", async () => {
  const turns = admission(" [CONVECTION_CONCURRENT_QUERIES=2]");
  const calls = [0, 1, 2].map(() => new Running(turns));
  await vi.advanceTimersByTimeAsync(999);
  expect(calls[2]?.started).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await expect(calls[2]?.done).rejects.toEqual(
    new CodedError(
      "RateLimited",
      "TooManyConcurrentRequests",
      "Too many concurrent requests. Your backend is limited to 2 concurrent queries. [CONVECTION_CONCURRENT_QUERIES=2]",
    ),
  );
  calls[0]?.end();
  const next = new Running(turns);
  await settle();
  expect(next.started).toBe(true);
});

test("E-C-7 a failed call gives its place back", async () => {
  const turns = admission();
  for (let i = 0; i < 5; i++) {
    await expect(turns.admit(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  }
  expect(turns.running).toBe(0);
});

test("EXE3 a call that the platform dropped keeps its place no longer than the longest run", async () => {
  const turns = admission();
  const lost = [new Running(turns), new Running(turns)];
  await vi.advanceTimersByTimeAsync(59_500);
  const waiting = new Running(turns);
  await vi.advanceTimersByTimeAsync(400);
  expect(waiting.started).toBe(false);
  await vi.advanceTimersByTimeAsync(400);
  expect(waiting.started).toBe(true);
  // Should one of them come back after all, it gives back nothing that is not its own.
  lost[0]?.end();
  await settle();
  expect(turns.running).toBe(1);
});
