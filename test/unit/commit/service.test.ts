import { expect, test } from "vitest";
import { DEFAULT_COMMIT_SETTINGS } from "../../../src/engine/commit/settings.ts";
import type { MutationCall } from "../../../src/protocol/execution.ts";
import { TransactorService } from "../../../src/transactor/service.ts";
import { id, increment, MemoryMark } from "../../support/commit-world.ts";
import { SimplePersistence } from "../../support/simple-persistence.ts";
import { simpleRules, SimpleTransaction } from "../../support/simple-transaction.ts";
import { VirtualTime } from "../../support/virtual-time.ts";

const RETENTION_MS = 600_000;

function service(time: VirtualTime, store: SimplePersistence): TransactorService {
  return new TransactorService({
    persistence: store,
    rules: simpleRules,
    mark: new MemoryMark(),
    clock: time,
    random: { bytes: (length) => new Uint8Array(length) },
    jitter: () => 0.5,
    timers: time,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    settings: DEFAULT_COMMIT_SETTINGS,
    retentionMs: RETENTION_MS,
    background: () => Promise.resolve(false),
    published: () => undefined,
    executor: {
      async execute(call, begin) {
        const tx = new SimpleTransaction(begin);
        const n = await increment(tx, id(1));
        return { outcome: { ok: true, value: `${n}`, logLines: [] }, effects: tx.effects() };
      },
    },
  });
}

const CALL: MutationCall = {
  v: 1,
  path: { component: "", module: "dir/messages.js", function: "send" },
  args: "[]",
  identity: { kind: "none" },
  context: { requestId: "0", ip: null, userAgent: null, scheduledFunctionId: null, caller: "Tester" },
  visibility: "public",
  idempotency: null,
};

test("PRUNE1 only what is older than the window goes, and the newest snapshot stays", async () => {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  const transactor = service(time, store);
  const outcome = JSON.parse(await time.until(transactor.runMutation(CALL)));
  expect(await time.until(transactor.prune())).toBe("later");
  expect(store.pruned.every((before) => before <= (time.now() - RETENTION_MS) * 1000)).toBe(true);
  await time.until(time.sleep(RETENTION_MS + 1));
  expect(await time.until(transactor.prune())).toBe("done");
  expect(store.pruned.at(-1)).toBe(outcome.ts);
});

test("TXR5 the outcome carries the commit timestamp, and latest is the durable head", async () => {
  const time = new VirtualTime();
  const transactor = service(time, new SimplePersistence());
  const outcome = JSON.parse(await time.until(transactor.runMutation(CALL)));
  expect(outcome).toEqual({ ok: true, value: "1", logLines: [], ts: await transactor.latest() });
});
