import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { FIXTURES } from "../support/paths.ts";
import { eventually, type Job, Jobs } from "../support/scheduled-jobs.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";

/** Scheduled functions of a backend that dies without a warning, again and again, on one data directory. */

const APP = join(FIXTURES, "scheduler-app");
const EACH = 1000;
const BATCH = 50;
const KILLS = 8;

const data = mkdtempSync(join(tmpdir(), "convection-jobs-"));
let backend: TestBackend | undefined;

afterAll(async () => {
  await backend?.kill();
  rmSync(data, { recursive: true, force: true });
});

interface Order {
  readonly name: string;
  readonly args: { readonly run: string; readonly tag: string };
  readonly after: number;
}

test(`CRASH4 ${KILLS} times kill -9 during ${EACH} scheduled mutations and ${EACH} scheduled actions: mutations take effect exactly once, actions at most once, and every job ends`, async () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  let n = 0;
  const order = (): Order => {
    const kind = n % 2 === 0 ? "mutation" : "action";
    const name = kind === "mutation" ? "work:note" : "work:once";
    return { name, args: { run: "crash", tag: `${kind} ${n++}` }, after: random.below(1_500) };
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
  backend = await startBackend({ data, app: APP });
  for (let round = 0; round < KILLS; round++) {
    const scheduling = schedule(new Jobs(backend.url), (2 * EACH) / KILLS);
    // At a random moment while some are scheduled, some run and some are not due: no event marks one.
    await new Promise((resolve) => setTimeout(resolve, 50 + random.below(1_200)));
    await backend.kill();
    await scheduling;
    backend = await startBackend({ data });
  }

  const jobs = new Jobs(backend.url);
  await schedule(jobs, 2 * EACH - acknowledged);
  const last = Date.now() + 1_500;
  await eventually(async () => (Date.now() > last && (await jobs.unfinished()) === 0 ? true : null));
  const all = await jobs.client.query<readonly Job[]>("jobs:jobs");
  const effects = new Map<string, number>();
  for (const { tag } of await jobs.events("crash")) effects.set(tag, (effects.get(tag) ?? 0) + 1);

  let lost = 0;
  const wrong: unknown[] = [];
  const scheduled = new Set<string>();
  for (const { name, args, state } of all) {
    const { tag } = args[0] as Order["args"];
    const effect = effects.get(tag) ?? 0;
    scheduled.add(tag);
    const wasLost = state.kind === "failed" && state.error?.startsWith("Transient error while executing action: ");
    if (wasLost) lost += 1;
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
  expect(all.length).toBeGreaterThanOrEqual(2 * EACH);
  expect(all.length).toBeLessThanOrEqual(acknowledged + unanswered);
  expect([...effects.keys()].filter((tag) => !scheduled.has(tag))).toEqual([]);
  console.info(`${all.length} jobs, ${lost} actions lost, ${unanswered} orders without an answer`);
});
