// The hand-written Worker in a miniflare process of its own, set up as `src/cli/backend.ts` sets up ours.
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from "miniflare";

const state = await mkdtemp(join(tmpdir(), "convection-baseline-"));
await build({
  entryPoints: { worker: join(import.meta.dirname, "worker.ts") },
  outdir: state,
  bundle: true,
  format: "esm",
  target: "es2024",
  conditions: ["workerd", "worker", "browser"],
  mainFields: ["module", "main"],
  external: ["cloudflare:*", "node:*"],
  logLevel: "warning",
});
const key = randomBytes(32).toString("hex");
const node = fork(join(import.meta.dirname, "node-server.ts"), {
  stdio: "inherit",
  env: { ...process.env, BENCH_KEY: key },
});
const [{ url: nodeUrl }] = (await once(node, "message")) as [{ url: string }];
const runtime = new Miniflare(
  convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    log: new NoOpLog(),
    telemetry: { enabled: false },
    resourcePersistencePath: state,
    resourceTmpPath: join(state, "tmp"),
    workers: [
      {
        name: "baseline",
        modules: true,
        scriptPath: join(state, "worker.js"),
        modulesRoot: state,
        compatibilityDate: "2026-11-01",
        compatibilityFlags: ["nodejs_compat"],
        d1Databases: ["DB"],
        durableObjects: { BROADCAST: { className: "Broadcast", useSQLite: true } },
        bindings: { NODE_URL: nodeUrl, NODE_KEY: key },
        r2Buckets: ["FILES"],
      },
    ],
  }),
);
const url = await runtime.ready;
const database = await runtime.getD1Database("DB");
const tables = readFileSync(join(import.meta.dirname, "tables.sql"), "utf8");
await database.batch(
  tables
    .split(";\n")
    .filter((sql) => sql.trim() !== "")
    .map((sql) => database.prepare(sql)),
);
process.on("disconnect", () => {
  void runtime
    .dispose()
    .then(() => rm(state, { recursive: true, force: true, maxRetries: 5 }))
    .then(() => process.exit());
});
process.send?.({ url: url.origin });
