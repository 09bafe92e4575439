import { expect, test } from "vitest";
import { Turns } from "../../../src/runtime/functions/turns.ts";

test("TURN1 no more work than allowed is under way, in the order it came, also after failures", async () => {
  const turns = new Turns(2);
  const started: number[] = [];
  let underWay = 0;
  let most = 0;
  const work = Array.from({ length: 7 }, (_, i) =>
    turns.run(async () => {
      started.push(i);
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      if (i % 3 === 0) throw new Error(`${i} failed`);
    }),
  );
  const outcomes = await Promise.allSettled(work);
  expect(most).toBe(2);
  expect(started).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(3);
});
