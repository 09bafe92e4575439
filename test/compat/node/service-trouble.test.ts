import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { listeningPid } from "../../support/listening-pid.ts";
import { type HopTrouble, TroubledService } from "../../support/node-service/troubled-service.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually } from "../../support/scheduled-jobs.ts";
import { Api, newGroup } from "../runtime/api.ts";

/** The way from the Worker to the service is bad, the service is busy, or its disk is damaged. */

const app = new AppCopy(join(FIXTURES, "node-proof-app"));
/** Has the service, whose every setting is small. */
let owner: TestBackend;
/** Reaches the same service over a bad network. */
let far: TestBackend;
let network: TroubledService;
let own: Api;
let distant: Api;

beforeAll(async () => {
  const CONVECTION_SECRET = randomBytes(32).toString("hex");
  network = await TroubledService.start();
  owner = await startBackend({
    app: app.path,
    data: join(app.path, "data"),
    env: { CONVECTION_SECRET, CONVECTION_NODE_EXECUTIONS: "2", CONVECTION_NODE_QUEUE_MS: "300" },
  });
  network.service = owner.nodeActionsUrl ?? "";
  far = await startBackend({ app: app.path, env: { CONVECTION_SECRET, NODE_ACTIONS_URL: network.url } });
  own = new Api(owner);
  distant = new Api(far);
});
afterAll(async () => {
  await far?.stop();
  await owner?.stop();
  await network?.[Symbol.asyncDispose]();
  app[Symbol.dispose]();
});

function tags(api: Api, run: string): Promise<string[]> {
  return api.value("query", "data:tags", { run });
}

test("NODE16 S0-43 E-C-14 an action is sent to the service once, however the connection breaks; its caller is told what may have happened", async () => {
  const texts: Record<Exclude<HopTrouble, "none">, RegExp> = {
    lost: /^The Node service could not be reached\./,
    unheard: /^The Node service could not be reached\./,
    broken: /^Transient error while executing action: the connection to the Node service was lost\./,
    nonsense: /^Transient error while executing action: the connection to the Node service was lost\./,
  };
  for (const [trouble, text] of Object.entries(texts) as [HopTrouble, RegExp][]) {
    for (const relay of [false, true]) {
      network.trouble = trouble;
      network.executions = 0;
      const run = newGroup();
      const args = { run, tag: "effect" };
      const answer = relay
        ? await distant.call("action", "data:relay", { name: "node:ownOnly", args })
        : await distant.call("action", "node:ownOnly", args);
      expect(answer.status).not.toBe("success");
      expect(network.executions).toBe(1);
      expect((answer.error ?? answer.message ?? "").replace(/^Uncaught Error: /, "")).toMatch(text);
      network.trouble = "none";
      // Time for whatever would come: another action takes longer than what was sent before it.
      await distant.value("action", "node:ownOnly", { run: `${run}, after`, tag: "after" });
      const seen = await tags(distant, run);
      expect(seen.length).toBeLessThanOrEqual(trouble === "lost" ? 0 : 1);
    }
  }
});

test("E-C-7 a service whose places are taken refuses the next action after a bounded wait, as something to try again", async () => {
  const run = newGroup();
  const sleeping = [1, 2].map((n) => own.call("action", "node:sleeps", { run, tag: `sleeper ${n}`, ms: 2_500 }));
  await eventually(async () => ((await tags(own, run)).length === 2 ? true : null));
  const refused = await own.call("action", "node:ownOnly", { run, tag: "refused" });
  expect([refused.http, refused.code]).toEqual([429, "NodeActionsOverloaded"]);
  expect(refused.message).toContain("limited to 2 concurrent Node actions");
  expect(await own.error("action", "data:relay", { name: "node:ownOnly", args: { run, tag: "refused" } })).toContain(
    "limited to 2 concurrent Node actions",
  );
  expect((await Promise.all(sleeping)).map(({ status }) => status)).toEqual(["success", "success"]);
  expect((await tags(own, run)).filter((tag) => tag.startsWith("refused"))).toEqual([]);
});

test("S0-27 lines are in the function log while the action still runs", async () => {
  const run = newGroup();
  const log = await FunctionLog.open(owner);
  const running = own.call("action", "node:printsAndWaits", { run });
  const entries = await log.until((entry) => JSON.stringify(entry).includes("printed before the end"));
  expect(entries.some(({ kind, identifier }) => kind === "Completion" && identifier === "node:printsAndWaits")).toBe(
    false,
  );
  await own.value("mutation", "data:add", { run, tag: "released" });
  expect((await running).status).toBe("success");
});

test("D-5 a package that is damaged in the cache of the service is fetched again", async () => {
  const [before] = await own.value("action", "node:where", {});
  const file = before.replace(/^file:\/\//, "");
  const source = readFileSync(file, "utf8");
  writeFileSync(file, source.slice(0, source.length / 2));
  const pid = listeningPid(owner.nodeActionsUrl ?? "");
  process.kill(pid, "SIGKILL");
  const after = await eventually(async () => {
    const answer = await own.call("action", "node:where", {});
    return answer.status === "success" ? answer.value : null;
  });
  expect(readFileSync(after[0].replace(/^file:\/\//, ""), "utf8")).toBe(source);
});

test("S0-43 a service that is told to end lets its actions end and takes no new ones; the next service takes them", async () => {
  const run = newGroup();
  const running = own.call("action", "node:sleeps", { run, tag: "draining", ms: 700 });
  await eventually(async () => ((await tags(own, run)).length === 1 ? true : null));
  process.kill(listeningPid(owner.nodeActionsUrl ?? ""), "SIGTERM");
  const refused = await eventually(async () => {
    const answer = await own.call("action", "node:ownOnly", { run, tag: "meanwhile" });
    return answer.status === "success" ? null : answer;
  });
  expect(refused.http).toBe(503);
  expect((await running).status).toBe("success");
  await eventually(async () => {
    const { status } = await own.call("action", "node:ownOnly", { run, tag: "next" });
    return status === "success" ? true : null;
  });
  expect((await tags(own, run)).filter((tag) => tag.startsWith("draining"))).toEqual([
    "draining began",
    "draining ended",
  ]);
});
