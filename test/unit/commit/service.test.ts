import { expect, test } from "vitest";
import { DEFAULT_COMMIT_SETTINGS } from "../../../src/engine/commit/settings.ts";
import { SNAPSHOT_PIN } from "../../../src/engine/snapshot-pin.ts";
import type { MutationCall } from "../../../src/protocol/execution.ts";
import type { FunctionCompletion } from "../../../src/protocol/function-log.ts";
import { Execution } from "../../../src/runtime/functions/execution.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import { TransactorService } from "../../../src/transactor/service.ts";
import { id, increment, MemoryMark } from "../../support/commit-world.ts";
import { SimplePersistence } from "../../support/simple-persistence.ts";
import { simpleRules, SimpleTransaction } from "../../support/simple-transaction.ts";
import { VirtualTime } from "../../support/virtual-time.ts";

const RETENTION_MS = 600_000;

const RANDOM = { bytes: (length: number) => new Uint8Array(length) };

/** A first run waits this long between reading and writing, so that others get in between. */
function service(time: VirtualTime, store: SimplePersistence, runMs = 0): TransactorService {
  return new TransactorService({
    persistence: store,
    rules: simpleRules,
    mark: new MemoryMark(),
    clock: time,
    random: RANDOM,
    jitter: () => 0.5,
    timers: time,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    settings: DEFAULT_COMMIT_SETTINGS,
    retentionMs: RETENTION_MS,
    background: () => Promise.resolve(false),
    published: () => undefined,
    executor: {
      async execute(call, begin) {
        const parts = { executions: { progress() {}, completed() {} }, clock: time, random: RANDOM };
        const execution = new Execution(parts, call, "Mutation");
        if (call.path.function === "refused") throw new CodedError("RateLimited", "TooMany", "Too many.");
        if (call.path.function === "bug") throw new TypeError("secret detail");
        const tx = new SimpleTransaction(begin);
        const n = await increment(tx, id(1));
        if (runMs > 0 && begin.attempt < Number(call.args)) await time.sleep(runMs);
        const line = { level: "LOG", messages: [`${n}`], isTruncated: false, timestamp: time.now() } as const;
        const outcome = { ok: true, value: `${n}`, logLines: [line] } as const;
        return { outcome, effects: tx.effects(), completion: execution.completion(outcome) };
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

test("XFER5 clean-up stops at a snapshot that an export reads, for as long as it says", async () => {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  const transactor = service(time, store);
  const { ts } = JSON.parse(await time.until(transactor.runMutation(CALL)));
  const { catalogTs } = (await store.loadCatalog()).head;
  const value = { ts, until: time.now() + 3 * RETENTION_MS };
  const change = { values: [{ key: SNAPSHOT_PIN, value }] };
  const result = await time.until(transactor.commitCatalog({ v: 1, expectedCatalogTs: catalogTs, change }));
  expect(result.ok).toBe(true);
  await time.until(time.sleep(2 * RETENTION_MS));
  await time.until(transactor.runMutation(CALL));
  await time.until(transactor.prune());
  expect(store.pruned.at(-1)).toBe(ts);
  await time.until(time.sleep(2 * RETENTION_MS));
  await time.until(transactor.prune());
  expect(store.pruned.at(-1)).toBeGreaterThan(ts);
});

test("TXR5 the outcome carries the commit timestamp, and latest is the durable head", async () => {
  const time = new VirtualTime();
  const transactor = service(time, new SimplePersistence());
  const outcome = JSON.parse(await time.until(transactor.runMutation(CALL)));
  expect(outcome).toMatchObject({ ok: true, value: "1", ts: await transactor.latest() });
});

/** What a call tells the log. */
async function logged(transactor: TransactorService, call: MutationCall, time: VirtualTime, during = async () => {}) {
  const completions: FunctionCompletion[] = [];
  const executions = {
    progress() {},
    completed: (completion: FunctionCompletion) => void completions.push(completion),
  };
  const running = transactor.runMutation(call, executions).then(
    () => null,
    (error: unknown) => error,
  );
  await during();
  await time.until(running);
  return completions;
}

test("LOG20 a mutation is logged once it is durable, with the time until then", async () => {
  const time = new VirtualTime();
  const transactor = service(time, new SimplePersistence(), 40);
  const context = { ...CALL.context, parentExecutionId: "parent" };
  const [completion, ...more] = await logged(transactor, { ...CALL, args: "1", context }, time);
  expect(more).toEqual([]);
  expect(completion).toMatchObject({
    udfType: "Mutation",
    identifier: "dir/messages:send",
    caller: "Tester",
    parentExecutionId: "parent",
    logLines: [{ messages: ["1"] }],
    error: null,
  });
  expect(completion?.duration).toBeGreaterThanOrEqual(40);
});

test("LOG20 a run that lost a conflict has an entry of its own that says to whom", async () => {
  const time = new VirtualTime();
  const transactor = service(time, new SimplePersistence(), 50);
  await time.until(transactor.runMutation(CALL));
  const completions = await logged(transactor, { ...CALL, args: "1" }, time, async () => {
    await time.until(time.sleep(10));
    await time.until(transactor.runMutation({ ...CALL, path: { ...CALL.path, function: "other" } }));
  });
  expect(completions).toMatchObject([
    {
      willRetry: true,
      error: "Documents that this mutation read changed while it was being run. It is run again.",
      occInfo: {
        tableName: "counters",
        documentId: expect.any(String),
        writeSource: "dir/messages:other",
        componentPath: null,
        retryCount: 0,
      },
      logLines: [{ messages: ["2"] }],
    },
    { error: null, logLines: [{ messages: ["3"] }] },
  ]);
  expect(completions[1]).not.toHaveProperty("willRetry");
  expect(completions.map(({ retries }) => retries)).toEqual([undefined, 1]);
  expect(completions[1]?.requestId).toBe(completions[0]?.requestId);
});

test("LOG6 a refused execution is logged with its reason, a bug of ours without its text", async () => {
  const time = new VirtualTime();
  const transactor = service(time, new SimplePersistence());
  const call = (name: string) => ({ ...CALL, path: { ...CALL.path, function: name } });
  expect(await logged(transactor, call("refused"), time)).toMatchObject([{ error: "Too many.", logLines: [] }]);
  expect(await logged(transactor, call("bug"), time)).toMatchObject([{ error: "InternalServerError" }]);
});

test("LOG20 an answer from the record is no execution", async () => {
  const time = new VirtualTime();
  const transactor = service(time, new SimplePersistence());
  const call = { ...CALL, idempotency: { sessionId: "s", requestId: "1" } };
  expect(await logged(transactor, call, time)).toHaveLength(1);
  expect(await logged(transactor, call, time)).toEqual([]);
});
