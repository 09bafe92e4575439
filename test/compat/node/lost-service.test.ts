import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { listeningPid } from "../../support/listening-pid.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api } from "../runtime/api.ts";

let app: AppCopy;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "node-app"));
  backend = await startBackend({ app: app.path });
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function healthy(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("S0-43 S1-23 E-C-14 the service is killed in the middle of twenty actions, called over HTTP and by ctx.runAction of both runtimes: none runs twice, every caller is told, the next call works", async () => {
  const url = backend.nodeActionsUrl ?? "";
  const keys = Array.from({ length: 20 }, (_, i) => `killed ${i}`);
  const relays = [null, "notes:relay", "work:relay"] as const;
  const calls = keys.map((key, i) => {
    const relay = relays[i % relays.length] ?? null;
    const args = { key, ms: 60_000 };
    return relay === null
      ? api.call("action", "work:writesThenSleeps", args)
      : api.call("action", relay, { name: "work:writesThenSleeps", args });
  });
  // The first side effects are there, so actions are in their middle.
  const count = (key: string) => api.value("query", "notes:count", { key });
  while ((await Promise.all(keys.map(count))).reduce((a, b) => a + b, 0) < 5) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const pid = listeningPid(url);
  process.kill(pid, "SIGKILL");
  const answers = await Promise.all(calls);
  for (const answer of answers) {
    expect(answer.status === "error" || answer.http >= 500, JSON.stringify(answer)).toBe(true);
    expect(answer.error ?? answer.message).toMatch(
      /^(Uncaught Error: )?(Transient error while executing action: |The Node service could not be reached)/,
    );
  }
  await healthy(url);
  expect(listeningPid(url)).not.toBe(pid);
  expect(await api.value("action", "work:echo", { value: "again" })).toBe("again");
  const counts = await Promise.all(keys.map(count));
  expect(counts.filter((n) => n > 1)).toEqual([]);
  await backend.process.until("stderr", /The Node service ended and is started again/);
});

test("S0-43 its processes die with it", async () => {
  const [, , pid] = await api.value("action", "work:state");
  process.kill(listeningPid(backend.nodeActionsUrl ?? ""), "SIGKILL");
  await healthy(backend.nodeActionsUrl ?? "");
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
});

test("NODE11 the service ends with its backend, stopped or killed", async () => {
  for (const end of ["SIGTERM", "SIGKILL"] as const) {
    const other = await startBackend();
    const pid = listeningPid(other.nodeActionsUrl ?? "");
    expect(isAlive(pid)).toBe(true);
    other.process.process.kill(end);
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
    await other.kill();
  }
});

test("NODE12 --node-port places the service, and a backend of the same data serves Node actions after a restart", async () => {
  const data = join(app.path, "data");
  const first = await startBackend({ data, app: app.path });
  const port = new URL(first.nodeActionsUrl ?? "").port;
  await first.stop();
  const second = await startBackend({ data, args: ["--node-port", port] });
  try {
    expect(second.nodeActionsUrl).toBe(`http://127.0.0.1:${port}`);
    expect(await new Api(second).value("action", "work:echo", { value: "again" })).toBe("again");
  } finally {
    await second.stop();
  }
});
