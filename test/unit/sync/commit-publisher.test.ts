import { expect, test } from "vitest";
import type { LoggedTransaction } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import type { CommitPush } from "../../../src/protocol/sync-calls.ts";
import { CommitPublisher } from "../../../src/transactor/commit-publisher.ts";

const ts = (value: number) => value as Timestamp;

function publisher(shards: number) {
  const pushes: { readonly shard: number; readonly push: CommitPush; answer(listening: boolean): void }[] = [];
  const made = new CommitPublisher({
    shards,
    subscriber: (shard) => ({
      committed: (text) =>
        new Promise((resolve) => {
          const push = JSON.parse(text) as CommitPush;
          pushes.push({ shard, push, answer: (listening) => resolve(JSON.stringify({ v: 1, listening })) });
        }),
    }),
    timers: {
      after: (ms, callback) => {
        if (ms === 0) queueMicrotask(callback);
        return () => {};
      },
    },
    log: { info: () => {}, warn: () => {}, error: () => {} },
  });
  const publish = (previous: number, ...times: number[]) =>
    made.publish(
      times.map((time): LoggedTransaction => ({
        ts: ts(time),
        keys: [["t1", "AA"]] as unknown as LoggedTransaction["keys"],
      })),
      ts(previous),
    );
  return { made, pushes, publish };
}

async function turn(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

test("SYNC30 pushes are chained, one at a time; what comes meanwhile goes together", async () => {
  const { pushes, publish } = publisher(1);
  publish(0, 1);
  await turn();
  publish(1, 2);
  publish(2, 3, 4);
  await turn();
  expect(pushes).toHaveLength(1);
  pushes[0]?.answer(true);
  await turn();
  expect(pushes.map(({ push }) => [push.previous, push.transactions?.map(({ ts: one }) => one)])).toEqual([
    [0, [1]],
    [1, [2, 3, 4]],
  ]);
});

test("SYNC31 a slow shard holds up no other, and what waits for it is bounded", async () => {
  const { pushes, publish } = publisher(2);
  publish(0, 1);
  await turn();
  pushes.find(({ shard }) => shard === 1)?.answer(true);
  await turn();
  for (let i = 1; i < 15_000; i++) publish(i, i + 1);
  await turn();
  expect(pushes.filter(({ shard }) => shard === 1)).toHaveLength(2);
  pushes.find(({ shard }) => shard === 0)?.answer(true);
  await turn();
  const [, late] = pushes.filter(({ shard }) => shard === 0);
  expect(late?.push).toEqual({ v: 1, previous: 1, transactions: null, ts: 15_000 });
});

test("SYNC32 a shard without sockets is left alone until it asks", async () => {
  const { made, pushes, publish } = publisher(1);
  publish(0, 1);
  await turn();
  pushes[0]?.answer(false);
  await turn();
  publish(1, 2);
  await turn();
  expect(pushes).toHaveLength(1);
  made.listen(0);
  publish(2, 3);
  await turn();
  expect(pushes[1]?.push).toMatchObject({ previous: 2, ts: 3 });
  // It asked while the answer of a push from before was on its way.
  made.listen(0);
  pushes[1]?.answer(false);
  await turn();
  publish(3, 4);
  await turn();
  expect(pushes).toHaveLength(3);
});
