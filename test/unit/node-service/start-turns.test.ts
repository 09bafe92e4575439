import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StartTurns } from "../../../node-actions/start-turns.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Numbers of those that have their turn, in the order they got it. */
function queue(turns: StartTurns, count: number) {
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  for (let i = 0; i < count; i++) {
    void turns.enter().then((end) => {
      begun.push(i);
      ends.set(i, end);
    });
  }
  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
  return { begun, settle, end: (i: number): void => ends.get(i)?.() };
}

test("NODE19 as many actions start at a time as there are turns, the others in their order", async () => {
  const { begun, settle, end } = queue(new StartTurns(2), 4);
  await settle();
  expect(begun).toEqual([0, 1]);
  end(1);
  // Ends count once: a second one gives no turn away.
  end(1);
  await settle();
  expect(begun).toEqual([0, 1, 2]);
});

test("NODE19 an action that says nothing gives its turn back by time, and is not asked again", async () => {
  const { begun, settle, end } = queue(new StartTurns(1), 3);
  await settle();
  expect(begun).toEqual([0]);
  await vi.advanceTimersByTimeAsync(10);
  expect(begun).toEqual([0, 1, 2]);
  end(0);
  end(1);
  end(2);
  expect(vi.getTimerCount()).toBe(0);
});
