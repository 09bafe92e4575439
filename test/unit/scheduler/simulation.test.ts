import { expect, test } from "vitest";
import { CRON_JOBS, SCHEDULED_FUNCTIONS } from "../../../src/engine/due-queue.ts";
import { newJob, stateKind } from "../../../src/runtime/scheduling/scheduled-function.ts";
import { cronJobRules, newCronJob } from "../../../src/scheduler/cron-jobs.ts";
import { scheduledFunctionRules } from "../../../src/scheduler/scheduled-functions.ts";
import type { App } from "../../../src/runtime/code/app.ts";
import type { CronSpec } from "../../../src/runtime/scheduling/cron-spec.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";
import { type Faults, SimulatedBackend, type SimulatedFunctions } from "../../support/scheduler/simulated-backend.ts";
import { SimulatedDatabase } from "../../support/scheduler/simulated-database.ts";
import { SimulatedTime } from "../../support/scheduler/simulated-time.ts";

const START = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Everything below takes seconds. */
const LONG = { timeout: 120_000 };
const SETTINGS = { parallelism: 64, retryInitialMs: 200, retryMaxMs: 60_000 };
const seed = freshSeed();

/** `module:kind`: what it does is its name. */
const functions = (random: SeededRandom): SimulatedFunctions => ({
  isAction: (path) => path.toLowerCase().includes("action"),
  milliseconds: (path) => (path.includes("slow") ? 90_000 : 1 + random.below(50)),
  throws: (path) => path.includes("throwing"),
});

const NAMES = ["mutation", "action", "throwingMutation", "throwingAction"];

function world(faults: Faults) {
  const random = new SeededRandom(seed);
  const time = new SimulatedTime(START);
  const database = new SimulatedDatabase();
  const backend = new SimulatedBackend({
    time,
    database,
    random,
    faults: { ...faults },
    functions: functions(random),
    settings: SETTINGS,
  });
  return { random, time, database, backend };
}

const CALM: Faults = { lostCall: 0, lostNotice: 0, lostAlarm: 0, doubleAlarm: 0, lateAlarm: 0, crashEveryMs: 0 };
const STORM: Faults = {
  lostCall: 0.01,
  lostNotice: 0.1,
  lostAlarm: 0.1,
  doubleAlarm: 0.2,
  lateAlarm: 0.1,
  crashEveryMs: 60_000,
};

test(
  `SCH1 100,000 jobs of an hour, with crashes and losses at random: mutations exactly once, actions at most once, all over (seed ${seed})`,
  LONG,
  async () => {
    const { random, time, database, backend } = world(STORM);
    const ids: string[] = [];
    const jobs = 100_000;
    for (let i = 0; i < jobs; i++) {
      const name = NAMES[i % NAMES.length] ?? "";
      const path = { component: "", module: "work.js", function: name };
      const scheduledTime = START + random.below(HOUR);
      ids.push(
        database.insert(
          SCHEDULED_FUNCTIONS,
          scheduledFunctionRules,
          newJob({ component: "", path, args: {}, scheduledTime }),
          START,
        ),
      );
    }
    await time.runTo(START + HOUR);
    backend.calm();
    await time.runTo(START + 2 * HOUR);

    expect(backend.ledger.crashes).toBeGreaterThan(10);
    expect(database.pending).toBe(0);
    const byJob = (counts: ReadonlyMap<string, number>) =>
      new Map([...counts].map(([key, count]) => [key.slice(-32), count]));
    const [effects, starts] = [byJob(backend.ledger.effects), byJob(backend.ledger.starts)];
    const wrong: unknown[] = [];
    let lost = 0;
    for (const id of ids) {
      const job = database.document(id) ?? {};
      const kind = stateKind(job);
      const name = typeof job["name"] === "string" ? job["name"].slice("work.js:".length) : "";
      const expected = name.startsWith("throwing") ? "failed" : "success";
      const isAction = name.toLowerCase().includes("action");
      const isLost = isAction && JSON.stringify(job["state"]).includes("Transient error");
      if (isLost) lost += 1;
      const effect = effects.get(id) ?? 0;
      const started = starts.get(id) ?? 0;
      const good = isAction
        ? started <= 1 && effect === 0 && (isLost ? kind === "failed" : kind === expected && started === 1)
        : started === 0 && kind === expected && effect === (expected === "success" ? 1 : 0);
      if (!good) wrong.push({ job, effect, started });
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(lost).toBeGreaterThan(0);
    expect(backend.mostRunning).toBeLessThanOrEqual(SETTINGS.parallelism);
  },
);

const CRONS: Readonly<Record<string, CronSpec>> = {
  everyMinute: { name: "work:mutation", args: [{}], schedule: { type: "cron", cron: "* * * * *" } },
  halfMinutes: { name: "work:action", args: [{}], schedule: { type: "interval", seconds: 30 } },
  slower: { name: "work:slowaction", args: [{}], schedule: { type: "interval", minutes: 1 } },
  hourly: { name: "work:throwingMutation", args: [{}], schedule: { type: "hourly", minuteUTC: 5 } },
  spread: { name: "work:mutation", args: [{}], schedule: { type: "hourly" } },
  daily: { name: "work:action", args: [{}], schedule: { type: "daily", hourUTC: 3, minuteUTC: 30 } },
  weekly: {
    name: "work:mutation",
    args: [{}],
    schedule: { type: "weekly", dayOfWeek: "monday", hourUTC: 0, minuteUTC: 0 },
  },
};

const component = { modules: { "crons.js": { crons: JSON.stringify(CRONS) } } };
const app = {
  component: () => component,
  // All that the rules of cron jobs ask of an app.
} as unknown as App;

/** Due times of the runs whose effect is stored, by job. */
function ticks(database: SimulatedDatabase, keys: Iterable<string>, ids: ReadonlyMap<string, string>) {
  const times = new Map<string, number[]>();
  for (const key of keys) {
    const name = ids.get(key.slice(-32)) ?? "";
    times.set(name, [...(times.get(name) ?? []), Number(BigInt(`0x${key.slice(0, 16)}`)) / 1000 - START]);
  }
  return times;
}

function deployCrons(database: SimulatedDatabase): Map<string, string> {
  database.app = app;
  return new Map(
    Object.entries(CRONS).map(([name, spec]) => [
      database.insert(CRON_JOBS, cronJobRules, newCronJob("", name, spec, START), START),
      name,
    ]),
  );
}

test(
  `SCH2 a week of cron jobs without trouble: each runs at all of its times, and never twice at once (seed ${seed})`,
  LONG,
  async () => {
    const { time, database, backend } = world(CALM);
    const ids = deployCrons(database);
    await time.runTo(START + 7 * DAY + 5_000);
    const { effects, starts } = backend.ledger;
    for (const count of [...effects.values(), ...starts.values()]) expect(count).toBe(1);
    const at = ticks(database, [...effects.keys(), ...starts.keys()], ids);
    expect(at.get("everyMinute")).toHaveLength(7 * 24 * 60);
    expect(at.get("halfMinutes")).toHaveLength(7 * 24 * 120 + 1);
    expect(at.get("hourly")).toBeUndefined();
    expect(at.get("spread")).toHaveLength(7 * 24);
    expect(new Set(at.get("spread")?.map((ms) => ms % HOUR)).size).toBe(1);
    expect(at.get("daily")).toEqual(Array.from({ length: 7 }, (_, day) => day * DAY + 3.5 * HOUR));
    // 1 January 2026 is a Thursday.
    expect(at.get("weekly")).toEqual([4 * DAY]);
    // Takes a minute and a half: every second time is skipped.
    const slower = at.get("slower") ?? [];
    for (const [i, ms] of slower.slice(1).entries()) expect(ms - (slower[i] ?? 0)).toBe(120_000);
  },
);

test(
  `SCH3 a week of cron jobs in a storm: no run is doubled, none but the lost and the skipped are missing (seed ${seed})`,
  LONG,
  async () => {
    const { time, database, backend } = world({ ...STORM, crashEveryMs: 20 * 60_000 });
    const ids = deployCrons(database);
    await time.runTo(START + 7 * DAY);
    const { effects, starts, crashes } = backend.ledger;
    expect(crashes).toBeGreaterThan(100);
    for (const count of [...effects.values(), ...starts.values()]) expect(count).toBe(1);
    const at = ticks(database, [...effects.keys(), ...starts.keys()], ids);
    // A mutation's run is repeated until it is stored, so what is missing was skipped because of a stand-still.
    const minutes = at.get("everyMinute") ?? [];
    expect(minutes.length).toBeGreaterThan(7 * 24 * 60 * 0.8);
    expect(at.get("daily")?.length).toBeGreaterThanOrEqual(5);
    expect(at.get("weekly")).toEqual([4 * DAY]);
    // Still in their rhythm.
    expect(new Set(at.get("spread")?.map((ms) => ms % HOUR)).size).toBe(1);
    expect(new Set(at.get("halfMinutes")?.map((ms) => ms % 30_000)).size).toBe(1);
  },
);
