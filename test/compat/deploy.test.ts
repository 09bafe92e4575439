import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { cleanEnvironment } from "../support/backend.ts";
import { FIXTURES, ROOT } from "../support/paths.ts";
import { Spawned } from "../support/spawned.ts";

const out = mkdtempSync(join(tmpdir(), "convection-deploy-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** wrangler.toml with absolute paths and without the build step: vitest has built the same files already. */
function configuration(): string {
  const worker = join(ROOT, "dist/worker.js");
  const file = join(out, "wrangler.toml");
  const text = readFileSync(join(ROOT, "wrangler.toml"), "utf8")
    .replace(/^\[build\]\n(?:\w.*\n)+/m, "")
    .replace('"dist/worker.js"', JSON.stringify(existsSync(worker) ? worker : join(FIXTURES, "cli-backend/worker.js")));
  writeFileSync(file, text);
  return file;
}

test("DEP1 wrangler accepts wrangler.toml and uploads one bundle with every binding the backend needs", async () => {
  const wrangler = new Spawned(
    process.execPath,
    [
      join(ROOT, "node_modules/wrangler/bin/wrangler.js"),
      "deploy",
      "--dry-run",
      "--outdir",
      join(out, "bundle"),
      "--config",
      configuration(),
    ],
    { cwd: ROOT, env: { ...cleanEnvironment(), CI: "1", WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" } },
  );
  expect({ code: await wrangler.exited, errors: wrangler.stderr }).toEqual({ code: 0, errors: "" });
  for (const binding of [
    /env\.DB \(convection\) +D1 Database/,
    /env\.FILES \(convection-files\) +R2 Bucket/,
    /env\.CODE \(convection-code\) +R2 Bucket/,
    /env\.TRANSACTOR \(Transactor\) +Durable Object/,
    /env\.SEARCH \(Search\) +Durable Object/,
    /env\.SCHEDULER \(Scheduler\) +Durable Object/,
    /env\.LOGS \(Logs\) +Durable Object/,
    /env\.SYNC \(Sync\) +Durable Object/,
    /env\.LOADER +Worker Loader/,
    /env\.CONVECTION_REDACT_ERRORS \("true"\)/,
  ]) {
    expect(wrangler.stdout).toMatch(binding);
  }
  expect(existsSync(join(out, "bundle/worker.js"))).toBe(true);
});

test("DEP2 the command runs the Worker under the compatibility date and flags that wrangler.toml deploys", () => {
  const toml = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
  const local = readFileSync(join(ROOT, "src/cli/backend.ts"), "utf8");
  const date = /^compatibility_date = "(.+)"$/m.exec(toml)?.[1];
  expect(date).toBe("2026-11-01");
  expect(local).toContain(`const COMPATIBILITY_DATE = "${date}";`);
  const flags = /^compatibility_flags = (\[.*\])$/m.exec(toml)?.[1];
  expect(local).toContain(`compatibilityFlags: ${flags},`);
});
