import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshRun } from "../support/function-client.ts";
import { FIXTURES } from "../support/paths.ts";
import { ProofBackend } from "../support/proof/proof-worker.ts";
import { eventually, Jobs } from "../support/scheduled-jobs.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";

/** The Scheduler of the running backend while its alarm, its memory and the database fail. */

let proof: ProofBackend;
let jobs: Jobs;

beforeAll(async () => {
  proof = await ProofBackend.start({}, join(FIXTURES, "scheduler-app"));
  jobs = new Jobs(proof.backend.url);
});
afterAll(() => proof?.[Symbol.asyncDispose]());

interface Order {
  readonly name: string;
  readonly args: { readonly run: string; readonly tag: string };
  readonly at: number;
}

function orders(run: string, count: number, at: number): Order[] {
  return Array.from({ length: count }, (_, n) => ({
    name: n % 2 === 0 ? "work:note" : "work:once",
    args: { run, tag: String(n) },
    at,
  }));
}

/** All of them ran, once each, and not before their time. */
async function ranOnce(run: string, ids: readonly string[], at: number): Promise<void> {
  for (const id of ids) expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  const events = await jobs.events(run);
  expect(events.map(({ tag }) => Number(tag)).toSorted((a, b) => a - b)).toEqual(ids.map((_, n) => n));
  for (const event of events) expect(event.at).toBeGreaterThanOrEqual(at);
}

test.each(["late", "twice", "lost"] as const)(
  "SCH8 P-S-5 jobs whose alarm is %s run once, each in its time",
  async (trouble) => {
    const run = freshRun();
    const at = Date.now() + 700;
    const ids = await jobs.client.mutation<string[]>("jobs:scheduleMany", { orders: orders(run, 20, at) });
    if (trouble === "twice") {
      // Before they are due, when they are, and while they run.
      while (Date.now() < at + 200) await proof.alarm("twice");
    } else {
      await proof.alarm(trouble);
    }
    if (trouble === "lost") {
      await proof.evict("SCHEDULER");
      while (Date.now() < at) await new Promise((resolve) => setTimeout(resolve, 20));
      // Whatever wakes it: another job, here.
      await jobs.schedule("work:note", { run: `${run}, another`, tag: "wakes" });
    }
    await ranOnce(run, ids, at);
  },
);

test("SCH9 P-S-5 the Scheduler loses its memory again and again: mutations run once, actions at most once, all end", async () => {
  const run = freshRun();
  const random = new SeededRandom(freshSeed());
  const wanted = orders(run, 300, 0).map((order) => ({ ...order, at: Date.now() + random.below(1_500) }));
  const ids = await jobs.client.mutation<string[]>("jobs:scheduleMany", { orders: wanted });
  for (let i = 0; i < 12; i++) {
    await new Promise((resolve) => setTimeout(resolve, random.below(200)));
    await proof.evict("SCHEDULER");
    // A commit tells it that there is something to do.
    await jobs.schedule("work:note", { run: `${run}, others`, tag: String(i) });
  }
  await endsOf(run, ids);
});

test("P-S-5 P-S-12 the database fails now and then: scheduled mutations run once, actions at most once, all end", async () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const run = freshRun();
  const ids = await jobs.client.mutation<string[]>("jobs:scheduleMany", {
    orders: orders(run, 200, Date.now() + 300),
  });
  await proof.controls({
    faultSeed: seed,
    faultProbability: 0.1,
    faultKinds: ["lost before", "lost after", "overloaded", "reset"],
  });
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  await proof.controls({ faultProbability: 0 });
  await endsOf(run, ids);
});

const TRANSIENT = "Transient error while executing action: ";

test("E-C-14 P-S-5 an action that was marked as started and never was started says so, and did not run", async () => {
  const run = freshRun();
  await proof.controls({ loseJobAnswers: 1 });
  const id = await jobs.schedule("work:act", { run, tag: "never" });
  expect((await jobs.over(id)).state).toEqual({
    kind: "failed",
    error: `${TRANSIENT}it was lost between being marked as started and being started. It did not run, and is not run again.`,
  });
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect(await jobs.tags(run)).toEqual(["later"]);
});

test("P-S-5 a mutation whose answer to the Scheduler is lost has run once", async () => {
  const run = freshRun();
  await proof.controls({ loseJobAnswers: 1 });
  const id = await jobs.schedule("work:note", { run, tag: "once" });
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  // Asked about again, which changes nothing.
  await eventually(async () => ((await proof.controls()).loseJobAnswers === 0 ? true : null));
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect(await jobs.tags(run)).toEqual(["once", "later"]);
});

test("E-C-14 P-S-5 an action whose connection is lost while it runs says so; it is not run again, and its end changes nothing", async () => {
  for (const [lost, ran] of [
    ["while", ["lost began", "lost ended"]],
    ["before", []],
  ] as const) {
    const run = freshRun();
    await proof.controls({ loseActions: [lost] });
    const id = await jobs.schedule("work:act", { run, tag: "lost", ms: 400 });
    const state = {
      kind: "failed",
      error: `${TRANSIENT}the connection to it was lost while it ran. It may have run in part or in whole, and is not run again.`,
    };
    expect((await jobs.over(id)).state).toEqual(state);
    expect(await jobs.eventCount(run, ran.length)).toHaveLength(ran.length);
    await jobs.over(await jobs.schedule("work:act", { run, tag: "later", ms: 400 }));
    expect((await jobs.tags(run)).filter((tag) => tag.startsWith("lost"))).toEqual(ran);
    expect((await jobs.job(id))?.state).toEqual(state);
  }
});

async function endsOf(run: string, ids: readonly string[]): Promise<void> {
  const effects = new Map<string, number>();
  const states = await eventually(async () => {
    const found = await jobs.client.query<readonly (string | null)[]>("jobs:states", { ids });
    return found.every((kind) => kind === "success" || kind === "failed") ? found : null;
  });
  for (const { tag } of await jobs.events(run)) effects.set(tag, (effects.get(tag) ?? 0) + 1);
  for (const [n, state] of states.entries()) {
    const effect = effects.get(String(n)) ?? 0;
    if (n % 2 === 0) expect([n, state, effect]).toEqual([n, "success", 1]);
    else if (state === "success") expect([n, effect]).toEqual([n, 1]);
    else expect(effect).toBeLessThanOrEqual(1);
  }
}
