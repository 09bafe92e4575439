import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex, spawnConvex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import type { Spawned } from "../../support/spawned.ts";

/** Commands of the official CLI that talk over a WebSocket, or for as long as they are let. */

let app: AppCopy;
let backend: TestBackend;
let client: ConvexHttpClient;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "sync-app"));
  backend = await startBackend({ app: app.path });
  client = new ConvexHttpClient(backend.url, { skipConvexDeploymentUrlCheck: true });
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

const run = (...args: string[]) => convex(app.path, backend, args);

function send(channel: string, body: string): Promise<unknown> {
  return client.mutation(anyApi["messages"]!["send"]!, { channel, body });
}

async function whileRunning(args: readonly string[], body: (child: Spawned) => Promise<void>): Promise<void> {
  const child = spawnConvex(app.path, backend, args);
  try {
    await body(child);
  } finally {
    await child.kill();
  }
}

describe("what is asked over a socket", () => {
  test("P-I-3 P-R-1 run --watch prints the value again whenever it changes", async () => {
    await whileRunning(["run", "messages:list", '{"channel":"watched"}', "--watch"], async (child) => {
      await child.until("stdout", /\[\]/);
      await send("watched", "seen by watch");
      await child.until("stdout", /seen by watch/);
    });
  });

  test("P-I-1 P-F-1 function-spec lists kind, visibility and validators", async () => {
    const { code, stdout } = await run("function-spec");
    expect(code).toBe(0);
    const spec: { url: string; functions: { identifier?: string; functionType: string; visibility: unknown }[] } =
      JSON.parse(stdout);
    expect(spec.url).toBe(backend.url);
    expect(spec.functions).toContainEqual(
      expect.objectContaining({
        identifier: "messages.js:send",
        functionType: "Mutation",
        visibility: { kind: "public" },
      }),
    );
    expect(spec.functions).toContainEqual(expect.objectContaining({ functionType: "Action" }));
    expect(spec.functions).toContainEqual(expect.objectContaining({ visibility: { kind: "internal" } }));
  });

  test("P-I-1 data lists tables and shows documents", async () => {
    await send("shown", "in the table");
    const tables = await run("data");
    expect([tables.code, tables.stdout]).toEqual([0, expect.stringContaining("messages")]);
    const rows = await run("data", "messages", "--limit", "5");
    expect([rows.code, rows.stdout]).toEqual([0, expect.stringContaining("in the table")]);
  });

  test("P-I-1 env set, get, list and remove", async () => {
    expect((await run("env", "set", "COLOR", "blue")).code).toBe(0);
    expect((await run("env", "get", "COLOR")).stdout.trim()).toBe("blue");
    expect((await run("env", "list")).stdout).toContain("COLOR=blue");
    expect((await run("env", "remove", "COLOR")).code).toBe(0);
    expect((await run("env", "list")).stdout).not.toContain("COLOR");
  });
});

describe("what goes on until it is stopped", () => {
  test("P-I-1 logs follow what runs", async () => {
    await whileRunning(["logs", "--success"], async (child) => {
      await child.until("stderr", /Watching logs/);
      // What ran before the command asked for the first time is history to it: so again until one is shown.
      let shown = false;
      const printed = child.until("stdout", /messages:send/).then(() => (shown = true));
      while (!shown) {
        await send("logged", "x");
        await Promise.race([printed, new Promise((resolve) => setTimeout(resolve, 100))]);
      }
    });
  });

  test("P-I-2 dev pushes, and pushes again when a file changes", async () => {
    await whileRunning(["dev", "--typecheck", "disable", "--tail-logs", "disable"], async (child) => {
      await child.until("stderr", /Convex functions ready!/);
      const { writeFileSync } = await import("node:fs");
      const source = `import { query } from "./_generated/server";\nexport const f = query({ args: {}, handler: () => "added" });\n`;
      writeFileSync(join(app.path, "convex/added.ts"), source);
      await child.until("stderr", /ready![\s\S]*ready!/);
      expect(await client.query(anyApi["added"]!["f"]!, {})).toBe("added");
    });
  });
});
