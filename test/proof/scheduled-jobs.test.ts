import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { ConvexApp } from "../support/convex-app.ts";
import { FIXTURES } from "../support/paths.ts";
import { eventually, type Job, Jobs } from "../support/scheduled-jobs.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";

/** Scheduled functions of a backend that dies without a warning, again and again, on one data directory. */

const EACH = 1000;
const FUNCTIONS = ["work:note", "work:once", "inNode:once"] as const;
const TOTAL = EACH * FUNCTIONS.length;
const BATCH = 50;
const KILLS = 8;

/** The fixture with one action more. */
const IN_NODE = `"use node";
import { pid } from "node:process";
import { internalActionGeneric as internalAction, makeFunctionReference } from "convex/server";
import { v } from "convex/values";
export const once = internalAction({
  args: { run: v.string(), tag: v.string() },
  handler: async (ctx, args) => {
    await ctx.runMutation(makeFunctionReference<"mutation">("work:note"), { ...args, detail: { pid } });
  },
});
`;

const data = mkdtempSync(join(tmpdir(), "convection-jobs-"));
const app = new ConvexApp({ "convex/inNode.ts": IN_NODE });
cpSync(join(FIXTURES, "scheduler-app/convex"), join(app.path, "convex"), { recursive: true });
let backend: TestBackend | undefined;

afterAll(async () => {
  await backend?.kill();
  app[Symbol.dispose]();
  rmSync(data, { recursive: true, force: true });
});

interface Order {
  readonly name: string;
  readonly args: { readonly run: string; readonly tag: string };
  readonly after: number;
}

test(`CRASH4 ${KILLS} times kill -9 during ${EACH} scheduled mutations, ${EACH} actions of the default runtime and ${EACH} in Node: mutations take effect exactly once, actions at most once, and every job ends`, async () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  let n = 0;
  const order = (): Order => {
    const name = FUNCTIONS[n % FUNCTIONS.length] ?? "";
    return { name, args: { run: "crash", tag: `${name} ${n++}` }, after: random.below(1_500) };
  };
  let acknowledged = 0;
  let unanswered = 0;
  const schedule = async (jobs: Jobs, count: number): Promise<void> => {
    for (const end = acknowledged + count; acknowledged < end;) {
      const orders = Array.from({ length: BATCH }, order);
      const sent = await jobs.client.mutation("jobs:scheduleMany", { orders }).then(
        () => true,
        () => false,
      );
      if (!sent) {
        unanswered += BATCH;
        return;
      }
      acknowledged += BATCH;
    }
  };
  backend = await startBackend({ data, app: app.path });
  for (let round = 0; round < KILLS; round++) {
    const scheduling = schedule(new Jobs(backend.url), TOTAL / KILLS);
    // At a random moment while some are scheduled, some run and some are not due: no event marks one.
    await new Promise((resolve) => setTimeout(resolve, 50 + random.below(1_200)));
    await backend.kill();
    await scheduling;
    backend = await startBackend({ data });
  }

  const jobs = new Jobs(backend.url);
  await schedule(jobs, TOTAL - acknowledged);
  const last = Date.now() + 1_500;
  await eventually(async () => (Date.now() > last && (await jobs.unfinished()) === 0 ? true : null));
  const all = await jobs.client.query<readonly Job[]>("jobs:jobs");
  const effects = new Map<string, number>();
  for (const { tag, detail } of await jobs.events("crash")) {
    effects.set(tag, (effects.get(tag) ?? 0) + 1);
    const where = tag.startsWith("inNode:") ? { pid: expect.any(Number) } : null;
    expect(detail).toEqual(where);
  }

  const lost = new Map<string, number>();
  const ended = new Map<string, number>();
  const wrong: unknown[] = [];
  const scheduled = new Set<string>();
  for (const { name, args, state } of all) {
    const { tag } = args[0] as Order["args"];
    const effect = effects.get(tag) ?? 0;
    scheduled.add(tag);
    const wasLost = state.kind === "failed" && state.error?.startsWith("Transient error while executing action: ");
    if (wasLost) lost.set(name, (lost.get(name) ?? 0) + 1);
    ended.set(name, (ended.get(name) ?? 0) + 1);
    const good =
      name === "work.js:note"
        ? state.kind === "success" && effect === 1
        : state.kind === "success"
          ? effect === 1
          : wasLost && effect <= 1;
    if (!good) wrong.push({ name, state, effect, tag });
  }
  expect(wrong).toEqual([]);
  expect(scheduled.size).toBe(all.length);
  // What was acknowledged is there, and there is no effect without a job.
  expect(all.length).toBeGreaterThanOrEqual(TOTAL);
  expect(all.length).toBeLessThanOrEqual(acknowledged + unanswered);
  expect([...effects.keys()].filter((tag) => !scheduled.has(tag))).toEqual([]);
  // So many of each, and not all of them lost.
  expect([...ended.keys()].toSorted()).toEqual(["inNode.js:once", "work.js:note", "work.js:once"]);
  for (const [name, count] of ended) expect(count - (lost.get(name) ?? 0)).toBeGreaterThan(EACH / 2);
  const losses = [...lost].map(([name, count]) => `${count} of ${name}`).join(", ");
  console.info(`${all.length} jobs, lost: ${losses || "none"}; ${unanswered} orders without an answer`);
});
