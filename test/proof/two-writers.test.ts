import { afterAll, beforeAll, expect, test } from "vitest";
import { Caller } from "../support/proof/caller.ts";
import { Ledger } from "../support/proof/ledger.ts";
import { ProofBackend } from "../support/proof/proof-worker.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";

let proof: ProofBackend;
const ledger = new Ledger();

beforeAll(async () => {
  proof = await ProofBackend.start();
});

afterAll(() => proof?.[Symbol.asyncDispose]());

function seeded(): SeededRandom {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  return new SeededRandom(seed);
}

/** Each of `clients` makes `calls` calls, one after the other; the caller is chosen by the client's number. */
async function load(
  random: SeededRandom,
  name: string,
  clients: number,
  calls: number,
  callerOf: (client: number) => Caller,
): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let n = 0; n < calls; n++) {
        const path = random.chance(0.5) ? "work:record" : "work:note";
        await ledger.call(`${name} ${client}`, 1 + random.below(50), async (args) => {
          const answer = await callerOf(client).call("mutation", path, args);
          const what = answer.kind === "refused" ? answer.code : answer.kind;
          answers.set(what, (answers.get(what) ?? 0) + 1);
          return answer;
        });
      }
    }),
  );
  console.info(name, Object.fromEntries(answers));
  return answers;
}

test("FENCE4 two Transactor objects on one database: one is fenced, callers may try again, and the data is whole", async () => {
  const random = seeded();
  const a = new Caller(proof.backend);
  const b = new Caller(proof.backend, { "x-transactor": "second" });
  let watching = true;
  const watch = (async () => {
    let newest = 0n;
    while (watching) {
      const ts = await a.latestTs();
      expect(ts).toBeGreaterThanOrEqual(newest);
      newest = ts;
    }
  })();
  const answers = await load(random, "both", 24, 15, (client) => (client % 2 === 0 ? a : b));
  watching = false;
  await watch;
  const { logs } = proof.backend;
  const loads = logs.match(/"event":"commit\.loaded"/g)?.length ?? 0;
  // Each is loaded once; every further one is a writer that lost the head and took it back.
  expect(loads).toBeGreaterThan(2);
  expect(answers.get("ok")).toBeGreaterThan(24);
  ledger.check(await a.value("query", "work:everything"));

  // The one that writes on takes the head, perhaps at the cost of one refusal, and has the database to itself.
  await load(random, "takeover", 1, 1, () => b);
  expect(await load(random, "survivor", 8, 10, () => b)).toEqual(new Map([["ok", 80]]));
  ledger.check(await a.value("query", "work:everything"));
  expect(logs).not.toContain('"level":"error"');
});

test("FAULT2 D1 loses connections, answers late, is overloaded and reset under load: acknowledged = stored once", async () => {
  const random = seeded();
  const caller = new Caller(proof.backend);
  await proof.controls({
    faultSeed: random.below(2 ** 32),
    faultProbability: 0.35,
    faultKinds: ["lost before", "lost after", "later", "overloaded", "reset", "stall"],
  });
  const answers = await load(random, "faults", 24, 12, () => caller);
  await proof.controls({ faultProbability: 0 });
  expect(answers.get("ok")).toBeGreaterThan(24);
  await proof.backend.process.until("stderr", /"event":"commit\.unconfirmed"/);
  // What arrives late is fenced: the check sees it if it is not.
  await load(random, "healed", 4, 5, () => caller);
  ledger.check(await caller.value("query", "work:everything"));
  expect(proof.backend.logs).not.toContain('"level":"error"');
});

test("LOADER1 1000 mixed calls use two loader ids", async () => {
  const random = seeded();
  const caller = new Caller(proof.backend);
  await proof.controls();
  const before = await proof.controls();
  let done = 0;
  await Promise.all(
    Array.from({ length: 16 }, async (_, client) => {
      while (done < 1000) {
        const n = done++;
        const args = { client: `loader ${client}`, seq: n, amount: 1 };
        const calls = [
          () => caller.value("query", "work:count", { client: args.client }),
          () => caller.value("query", "work:page", { cursor: null, numItems: 5 }),
          () => caller.value("mutation", "filler:fill", { from: n, to: n + 1, bytes: 10 }),
          () => caller.call("mutation", "work:fail", {}),
          () => caller.value("action", "work:act", { ...args, clients: 0 }),
          () => caller.call("query", "nobody:home", {}),
        ];
        await random.pick(calls)();
      }
    }),
  );
  const after = await proof.controls();
  expect(after.loaderIds.length).toBe(2);
  expect(after.loads).toBe(before.loads);
});
