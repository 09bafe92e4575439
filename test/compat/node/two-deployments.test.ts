import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api } from "../runtime/api.ts";

/** Two deployments share one Node service: the same code, other variables, other documents. */

const ACTIONS = 100;
const GIB = 1024 * 1024 * 1024;
const LIMITS = {
  CONVECTION_NODE_ACTION_TIMEOUT_MS: "10000",
  CONVECTION_NODE_MEMORY_BYTES: String(128 * 1024 * 1024),
};

const app = new AppCopy(join(FIXTURES, "node-proof-app"));
const backends: TestBackend[] = [];

beforeAll(async () => {
  const CONVECTION_SECRET = randomBytes(32).toString("hex");
  const first = await startBackend({
    app: app.path,
    env: {
      ...LIMITS,
      CONVECTION_SECRET,
      CONVECTION_NODE_EXECUTIONS: "16",
      CONVECTION_NODE_QUEUE_MS: "110000",
    },
  });
  backends.push(first);
  const NODE_ACTIONS_URL = first.nodeActionsUrl ?? "";
  backends.push(await startBackend({ app: app.path, env: { ...LIMITS, CONVECTION_SECRET, NODE_ACTIONS_URL } }));
  for (const [i, backend] of backends.entries()) {
    for (const [name, value] of [
      ["WHO", String(i)],
      [`ONLY_${i}`, "yes"],
    ] as const) {
      const { code, stderr } = await convex(app.path, backend, ["env", "set", name, value]);
      if (code !== 0) throw new Error(stderr);
    }
  }
});
afterAll(async () => {
  await Promise.all(backends.map((backend) => backend.stop()));
  app[Symbol.dispose]();
});

test(`NODE15 P-E-1 P-E-5 S0-40 S0-44 ${ACTIONS} actions at once of two deployments see their own variables and documents, while others exit, loop, reject and allocate 2 GB`, async () => {
  const apis = backends.map((backend) => new Api(backend));
  const [a, b] = apis as [Api, Api];
  const bad = Promise.all([
    a.error("action", "node:exits"),
    b.error("action", "node:loops"),
    a.error("action", "node:allocates", { bytes: 2 * GIB }),
    b.error("action", "node:rejects"),
  ]);
  const calls = Array.from({ length: ACTIONS }, async (_, n) => {
    const who = n % 2;
    const answer = await apis[who]!.call("action", "node:ownOnly", { run: "all", tag: `action ${n}` });
    expect(answer, answer.error).toMatchObject({
      value: { seen: [String(who)], names: [`ONLY_${who}`] },
      logLines: [`[LOG] '${who}'`],
    });
  });
  await Promise.all(calls);
  const [exited, looped, allocated, rejected] = await bad;
  expect(exited).toContain("process.exit() called with exit code 1");
  expect(looped).toContain("Function execution unexpectedly timed out.");
  expect(allocated).toContain("JavaScript execution ran out of memory (maximum memory usage: 128 MB)");
  expect(rejected).toContain("stray");
  for (const [who, api] of apis.entries()) {
    const tags: string[] = await api.value("query", "data:tags", { run: "all" });
    const own = Array.from({ length: ACTIONS }, (_, n) => n).filter((n) => n % 2 === who);
    expect(tags.toSorted()).toEqual(own.map((n) => `action ${n} of ${who}`).toSorted());
  }
});
