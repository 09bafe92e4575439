import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { adminKey } from "../../../src/cli/admin-key.ts";
import { cleanEnvironment } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";

/** The checked-in `wrangler.toml` on this machine, by wrangler itself instead of `convection start`. */

const SECRET = "5e".repeat(32);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "convection-wrangler-"));
  // Absolute paths, and no build: vitest has built the same file already.
  const toml = readFileSync(join(ROOT, "wrangler.toml"), "utf8")
    .replace(/^\[build\]\n(?:\w.*\n)+/m, "")
    .replace('"dist/worker.js"', JSON.stringify(join(ROOT, "dist/worker.js")))
    .replace('migrations_dir = "migrations"', `migrations_dir = ${JSON.stringify(join(ROOT, "migrations"))}`);
  writeFileSync(join(folder, "wrangler.toml"), toml);
  writeFileSync(join(folder, ".dev.vars"), `CONVECTION_SECRET=${SECRET}\n`);
});

const running: Spawned[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) await child.kill();
});

afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function wrangler(...args: string[]): Spawned {
  const child = new Spawned(process.execPath, [join(ROOT, "node_modules/wrangler/bin/wrangler.js"), ...args], {
    cwd: folder,
    env: {
      ...cleanEnvironment(),
      CI: "1",
      NO_COLOR: "1",
      WRANGLER_SEND_METRICS: "false",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      WRANGLER_LOG_PATH: join(folder, "logs"),
    },
  });
  running.push(child);
  return child;
}

test("DEP3 wrangler applies the migrations and serves the Worker, and an app that is pushed to it answers", async () => {
  const state = ["--persist-to", join(folder, "state")];
  const migrations = wrangler("d1", "migrations", "apply", "DB", "--local", ...state);
  expect({ code: await migrations.exited, output: migrations.stderr }).toMatchObject({ code: 0 });

  const dev = wrangler("dev", "--local", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0", ...state);
  const [, url = ""] = await dev.until("stdout", /Ready on (http:\/\/127\.0\.0\.1:\d+)/);
  const version = await fetch(`${url}/version`);
  expect(version.status).toBe(200);

  using app = new ConvexApp({
    "convex/notes.ts": `import { mutation, query } from "./_generated/server";
export const add = mutation({ args: {}, handler: (ctx) => ctx.db.insert("notes", { text: "kept" }) });
export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text) });
`,
  });
  await app.deploy({ url, adminKey: adminKey(SECRET, "convection") });
  const client = new FunctionClient(url);
  await client.mutation("notes:add");
  expect(await client.query("notes:list")).toEqual(["kept"]);
});
