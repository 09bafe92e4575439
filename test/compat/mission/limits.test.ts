import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseSettings } from "../../../src/protocol/parse-settings.ts";
import { ApiClient, errorOf, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { ThirdParty } from "../../support/third-party.ts";

/** How long an action may run, how much it may hold, and what becomes of it when things go wrong. */

let app: AppCopy;
let backend: TestBackend;
let service: ThirdParty;
let api: ApiClient;
/** Outlives every backend of this file. */
let data: string;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "mission-app"));
  service = await ThirdParty.start();
  data = mkdtempSync(join(tmpdir(), "convection-mission-"));
  backend = await startBackend({ app: app.path, data });
  api = new ApiClient(backend);
});

afterAll(async () => {
  await backend?.stop();
  await service?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
  rmSync(data, { recursive: true, force: true, maxRetries: 5 });
});

async function notes(channel: string, of: ApiClient = api): Promise<unknown> {
  return valueOf(of.query("notes:list", { channel }));
}

describe("by default", () => {
  test("S1-22 S0-39 every older limit is within the present ones", async () => {
    expect(parseSettings({}).actionTimeoutMs).toBeGreaterThanOrEqual(10 * 60_000);
    expect(parseSettings({}).nodeActionTimeoutMs).toBeGreaterThanOrEqual(10 * 60_000);
    expect(parseSettings({}).nodeMemoryBytes).toBeGreaterThanOrEqual(512 * 1024 * 1024);
    expect(await valueOf(api.action("web:sleep", { ms: 2000 }))).toBe("slept");
  });

  test("S0-40 E-C-5 an action that takes too much memory fails, and no other", async () => {
    const held = api.action("web:fetchText", { url: service.url("/held/memory") });
    await service.asked("/held/memory");
    const greedy = await errorOf(api.action("web:allocate", { bytes: 80 * 1024 * 1024 }));
    expect(greedy).toContain("JavaScript execution ran out of memory (maximum memory usage: 64 MB)");
    expect(await valueOf(api.action("web:allocate", { bytes: 1024 * 1024 }))).toBe(1024 * 1024);
    service.release("/held/memory");
    expect(await valueOf(held)).toBe("released");
  });

  test("S0-42 E-C-6 a thousand operations may be under way, and not one more", async () => {
    expect(await valueOf(api.action("web:many", { operations: 1000 }))).toBe(1000);
    expect(await errorOf(api.action("web:many", { operations: 1001 }))).toContain(
      "Uncaught Error: Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.",
    );
    expect(await valueOf(api.action("web:many", { operations: 1000 }))).toBe(1000);
  });

  test("S0-49 arguments, results and log lines have the limits of the limits page", async () => {
    const value = "x".repeat(16 * 1024 * 1024);
    expect(await errorOf(api.action("basics:echo", { value }))).toMatch(
      /Arguments for basics\.js:echo are too large \(actual: 16\.00 MiB, limit: 16 MiB\)/,
    );
    expect(await errorOf(api.action("web:returnBytes", { bytes: 17 * 1024 * 1024 }))).toMatch(
      /Function web\.js:returnBytes return value is too large \(actual: 17\.00 MiB, limit: 16 MiB\)/,
    );
    expect(await valueOf(api.action("web:caught", { bytes: 17 * 1024 * 1024 }))).toContain(
      "Function web.js:returnBytes return value is too large",
    );
    const { logLines = [] } = await api.action("web:chatty", { lines: 300 });
    expect(logLines).toHaveLength(256);
    expect(logLines.at(-1)).toBe("[ERROR] Log overflow (maximum 256). Remaining log lines omitted.");
  });
});

describe("settings", () => {
  /** The same app under other limits, for the length of one test. */
  async function withSettings(
    env: Readonly<Record<string, string>>,
    body: (limited: ApiClient) => Promise<void>,
  ): Promise<void> {
    await using limited = await startBackend({ app: app.path, env });
    await body(new ApiClient(limited));
  }

  test("S0-39 E-C-1 an action is stopped at its limit, keeps what it has written, and writes nothing more", async () => {
    await withSettings({ CONVECTION_ACTION_TIMEOUT_MS: "2000" }, async (limited) => {
      const channel = "stopped";
      const other = limited.action("basics:sync");
      const stopped = limited.action("web:traced", { channel, url: service.url("/held/stopped") });
      await service.asked("/held/stopped");
      expect(await notes(channel, limited)).toEqual(["before"]);
      expect(await errorOf(stopped)).toBe(
        "Function execution timed out (maximum duration: 2s) [CONVECTION_ACTION_TIMEOUT_MS=2000]\n",
      );
      expect(await valueOf(other)).toBe("success");
      service.release("/held/stopped");
      expect(await valueOf(limited.action("data:writeThenRead", { channel, text: "later" }))).toEqual([
        "before",
        "later",
      ]);
    });
  });

  test("S0-41 the limits are settings: more time, more memory, fewer operations", async () => {
    const env = {
      CONVECTION_ACTION_TIMEOUT_MS: "3000",
      CONVECTION_MEMORY_BYTES: String(100 * 1024 * 1024),
      CONVECTION_CONCURRENT_OPERATIONS: "5",
    };
    await withSettings(env, async (limited) => {
      expect(await errorOf(limited.action("web:sleep", { ms: 60_000 }))).toContain("(maximum duration: 3s)");
      expect(await valueOf(limited.action("web:allocate", { bytes: 80 * 1024 * 1024 }))).toBe(80 * 1024 * 1024);
      expect(await errorOf(limited.action("web:allocate", { bytes: 120 * 1024 * 1024 }))).toContain(
        "maximum memory usage: 100 MB",
      );
      expect(await valueOf(limited.action("web:many", { operations: 5 }))).toBe(5);
      expect(await errorOf(limited.action("web:many", { operations: 6 }))).toContain("Too many concurrent operations.");
    });
  });
});

describe("at most once", () => {
  test("S0-43 S1-23 an action is not run again after an error", async () => {
    const args = { channel: "failed once", url: "http://127.0.0.1:1/refused" };
    expect((await api.action("web:traced", args)).status).toBe("error");
    expect(await notes("failed once")).toEqual(["before"]);
  });

  test("S0-43 an action under way when the backend is killed is not run again", async () => {
    const channel = "killed";
    const running = api.action("web:traced", { channel, url: service.url("/held/killed") });
    const lost = running.then(
      () => "answered",
      () => "lost",
    );
    await service.asked("/held/killed");
    await backend.kill();
    expect(await lost).toBe("lost");
    service.release("/held/killed");

    backend = await startBackend({ data });
    api = new ApiClient(backend);
    expect(await valueOf(api.action("basics:sync"))).toBe("success");
    expect(await notes(channel)).toEqual(["before"]);
    expect(service.hits("/held/killed")).toBe(1);
    // The caller decides.
    const url = service.url("/again");
    expect((await api.action("web:traced", { channel, url })).status).toBe("success");
    expect(await notes(channel)).toEqual(["before", "before", "after"]);
  });
});
