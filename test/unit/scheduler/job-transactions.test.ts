import { expect, test } from "vitest";
import { dueKeyOf, SCHEDULED_FUNCTIONS } from "../../../src/engine/due-queue.ts";
import type { InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type { TableRow } from "../../../src/engine/persistence.ts";
import type { UdfType } from "../../../src/protocol/execution.ts";
import { SCHEDULER_WORK } from "../../../src/scheduler/system-work.ts";
import type { SystemContext } from "../../../src/runtime/scheduling/job-table.ts";
import { FINISH_OP, LOSE_OP, REFUSE_OP, SETTLE_OP, START_OP } from "../../../src/runtime/scheduling/operations.ts";
import type { RunnableView } from "../../../src/runtime/scheduling/run-job.ts";
import { canceled, newJob } from "../../../src/runtime/scheduling/scheduled-function.ts";
import { must } from "../../../src/shared/assert.ts";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";
import { runJob } from "../../../src/transactor/run-job.ts";

const ID = "0123456789ABCDEF0123456789ABCDEF" as InternalId;
const NOW = 5000;
const TABLE: TableRow = {
  id: 7 as TableId,
  number: 10_007 as TableNumber,
  component: "",
  name: SCHEDULED_FUNCTIONS,
};
const PATH = { component: "", module: "work.js", function: "act" };

/** One job and the transactions of the Scheduler on it. */
class OneJob {
  document: JsonObject = {
    ...newJob({ component: "", path: PATH, args: {}, scheduledTime: 1000 }),
    _id: ID,
    _creationTime: 1,
  };
  readonly key = must(dueKeyOf(TABLE, this.document, ID), "key of a pending job");

  get state(): JsonValue | undefined {
    return this.document["state"];
  }

  do(op: string, args: JsonObject = {}): Promise<JsonValue> {
    // As far as these operations look at it.
    const context = {
      deployment: {
        app: null,
        catalog: { values: new Map(), tableById: (id: TableId) => (id === TABLE.id ? TABLE : undefined) },
      },
      transaction: {
        system: {
          get: async () => this.document,
          replace: async (_table: TableRow, _id: InternalId, document: JsonObject) => {
            this.document = document;
          },
        },
      },
      runtime: { clock: { now: () => NOW } },
      now: NOW,
    } as unknown as SystemContext;
    return must(SCHEDULER_WORK.mutations[op], op)(context, { key: this.key, ...args });
  }
}

const OUTCOMES = [
  [FINISH_OP, { error: null }],
  [LOSE_OP, { phase: "unknown" }],
] as const;

test("SCH14 P-S-5 of all who ask to start an action one may run it", async () => {
  const job = new OneJob();
  expect(await job.do(START_OP)).toBe(true);
  expect(job.state).toEqual({ kind: "inProgress" });
  expect(await job.do(START_OP)).toBe(false);
});

test.for(OUTCOMES)("SCH14 an action that was not started has no end: %s", async ([op, args]) => {
  const job = new OneJob();
  expect(await job.do(op, args)).toBe(false);
  expect(job.state).toEqual({ kind: "pending" });
});

test("SCH14 an action that was started is not refused, and a change is not made of it", async () => {
  const job = new OneJob();
  await job.do(START_OP);
  expect(await job.do(REFUSE_OP, { error: "no such function" })).toBe(false);
  expect(await job.do(SETTLE_OP)).toBe(false);
  expect(job.state).toEqual({ kind: "inProgress" });
});

test("SCH14 an end is recorded once, and the first one stays", async () => {
  for (const [first, second] of [OUTCOMES, OUTCOMES.toReversed()]) {
    const job = new OneJob();
    await job.do(START_OP);
    const [op, args] = must(first, "an end");
    expect(await job.do(op, args)).not.toBe(false);
    const { document } = job;
    const [again, others] = must(second, "another end");
    for (const [other, more] of [[op, args] as const, [again, others] as const]) {
      expect(await job.do(other, more)).toBe(false);
    }
    expect(job.document).toEqual(document);
  }
});

test("SCH14 P-S-4 what was cancelled while it ran stays cancelled, however it ends", async () => {
  const job = new OneJob();
  await job.do(START_OP);
  job.document = canceled(job.document, NOW);
  const { document } = job;
  for (const [op, args] of OUTCOMES) expect(await job.do(op, args)).toBe(false);
  expect(await job.do(START_OP)).toBe(false);
  expect(job.document).toEqual(document);
});

test("SCH14 a final state never changes", () => {
  for (const kind of ["success", "failed", "canceled"]) {
    const over = { ...new OneJob().document, state: { kind }, completedTime: 1 };
    expect(canceled(over, NOW)).toEqual(over);
  }
});

test("SCH14 under the key of another time nothing is done", async () => {
  const job = new OneJob();
  job.document = { ...job.document, scheduledTime: 2000 };
  expect(await job.do(START_OP)).toBe(false);
  expect(await job.do(REFUSE_OP, { error: "no such function" })).toBe(false);
  expect(job.state).toEqual({ kind: "pending" });
});

/** What the Transactor does about a job that looks like this, and what it answers the Scheduler. */
async function handledAs(
  kind: "run" | "started",
  udfType: UdfType | null,
  answers: Readonly<Record<string, string>>,
): Promise<{ readonly did: readonly string[]; readonly answer: unknown }> {
  const did: string[] = [];
  const call = {
    path: PATH,
    args: "[{}]",
    identity: { kind: "system" },
    context: { requestId: "0", ip: null, userAgent: null, caller: "Scheduler", scheduledFunctionId: ID },
    visibility: "internal",
  } as const;
  const view: RunnableView = { kind, udfType, call, run: { path: PATH, args: "[{}]", context: call.context } };
  const answer = await runJob(
    { v: 1, key: new OneJob().key, phase: "unknown" },
    {
      lookAt: async () => view,
      runMutation: async ({ job }) => {
        did.push(`mutation of ${job === new OneJob().key ? "the job" : String(job)}`);
        return "null";
      },
      runSystem: async ({ op }) => {
        did.push(op);
        return must(answers[op], op);
      },
      executions: { progress() {}, completed() {} },
      clock: { now: () => NOW },
      random: { bytes: (length) => new Uint8Array(length) },
    },
  );
  return { did, answer };
}

test("SCH15 P-S-5 an action is handed to whoever marked it as started, and to nobody else", async () => {
  const handed = await handledAs("run", "Action", { [START_OP]: "true" });
  expect(handed).toMatchObject({ did: [START_OP], answer: { kind: "action" } });
  const late = await handledAs("run", "Action", { [START_OP]: "false" });
  expect(late).toEqual({ did: [START_OP], answer: { kind: "done" } });
});

test("SCH15 E-C-14 a job that somebody has started is recorded as lost and not run", async () => {
  for (const udfType of ["Action", "Mutation", null] as const) {
    const answer = '{"error":"lost","warning":null}';
    expect(await handledAs("started", udfType, { [LOSE_OP]: answer })).toEqual({
      did: [LOSE_OP],
      answer: { kind: "done" },
    });
  }
});

test("SCH15 a mutation runs as the job of its key, what is neither is refused", async () => {
  expect(await handledAs("run", "Mutation", {})).toEqual({ did: ["mutation of the job"], answer: { kind: "done" } });
  for (const udfType of ["Query", null] as const) {
    expect(await handledAs("run", udfType, { [REFUSE_OP]: "false" })).toEqual({
      did: [REFUSE_OP],
      answer: { kind: "done" },
    });
  }
});
