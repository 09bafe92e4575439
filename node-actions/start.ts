import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { serve, type ServerType } from "@hono/node-server";
import type { NodeServiceReport } from "../src/protocol/node-actions.ts";
import { MemoryNonceStore } from "../src/signing/nonces.ts";
import { Admission } from "./admission.ts";
import { Callbacks } from "./callbacks.ts";
import { childUser } from "./child-user.ts";
import { serviceApp } from "./http/app.ts";
import { jsonLog } from "./json-log.ts";
import { KeysSource } from "./keys-source.ts";
import { Metrics } from "./metrics.ts";
import { CacheDirectory } from "./packages/cache-directory.ts";
import { Externals } from "./packages/externals.ts";
import { PackageStore } from "./packages/package-store.ts";
import { fetchPackageBy } from "./packages/fetch-package.ts";
import { NodeVersions } from "./process/node-versions.ts";
import { ProcessPool } from "./process/pool.ts";
import { SeenExecutions } from "./seen-executions.ts";
import { Service } from "./service.ts";
import { parseServiceSettings } from "./settings.ts";
import { StartTurns } from "./start-turns.ts";
import { WorkerClient } from "./worker-client.ts";

/** Beside this file in dist/. */
const CHILD_SCRIPT = join(import.meta.dirname, "node-actions-child.js");

const KEEP_ALIVE_MS = 120_000;

/** Composition root: builds the parts, listens, and ends on SIGTERM. */
export async function startService(): Promise<void> {
  const settings = parseServiceSettings(process.env);
  const log = jsonLog();
  const keys = await KeysSource.open(settings.keysFile);
  const user = childUser(settings.childUser);
  if (user === undefined) log.warn("user code runs as the user of the service: see docs/node-actions.md");
  const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };
  const client = new WorkerClient(settings, () => keys.keys, Date, random);
  const versions = new NodeVersions(settings.binaries);
  const pool = new ProcessPool(CHILD_SCRIPT, versions.own, user, settings, log);
  const cache = await CacheDirectory.open(settings.cacheDirectory, settings, Date.now, (gone) => pool.forget(gone));
  const externals = new Externals(cache, { installMs: settings.installMs, user, log });
  const admission = new Admission(settings);
  const metrics = new Metrics({
    running: () => admission.running,
    waiting: () => admission.waiting,
    processes: () => pool.counts,
    cacheBytes: () => cache.bytes,
  });
  const service = new Service({
    admission,
    turns: new StartTurns(settings.starts),
    callbacks: new Callbacks(client, settings, log, (op, outcome) => metrics.callbacks.inc({ op, outcome })),
    pool,
    store: new PackageStore(cache, externals, fetchPackageBy(client), settings),
    versions,
    seen: new SeenExecutions(Date.now),
    metrics,
    log,
    settings,
  });
  const app = serviceApp(
    service,
    {
      keys: () => keys.keys,
      nonces: new MemoryNonceStore(settings.nonces),
      clock: Date,
      clockSkewMs: settings.clockSkewMs,
      bodyBytes: settings.bodyBytes,
      log,
      onRefused: (code) => metrics.refused.inc({ code }),
    },
    metrics,
    log,
  );
  // The young generation would grow from 8 to 64 MiB under load and never shrink; what the service keeps is 11 MiB.
  setFlagsFromString("--semi-space-growth-factor=1");
  const server = serve({ fetch: app.fetch, port: settings.port, hostname: settings.host });
  try {
    await once(server, "listening");
  } catch (error) {
    await pool.close();
    throw error;
  }
  const port = portOf(server);
  const report: NodeServiceReport = { kind: "listening", port };
  process.send?.(report);
  log.info("listening", { host: settings.host, port, keyids: [...keys.keys.accepted.keys()] });
  // Longer than any client keeps an idle connection: a request on one that is just being closed is lost.
  if ("keepAliveTimeout" in server) server.keepAliveTimeout = KEEP_ALIVE_MS;
  process.on("SIGHUP", () => void keys.reload(log));
  await stopRequested();
  log.info("draining", { running: admission.running });
  const cut = setTimeout(() => void pool.close(), settings.drainMs);
  process.once("SIGTERM", () => void pool.close());
  await service.drain();
  clearTimeout(cut);
  await pool.close();
  client.close();
  const closed = once(server, "close");
  server.close();
  if ("closeAllConnections" in server) setTimeout(() => server.closeAllConnections(), 1000).unref();
  await closed;
  log.info("stopped");
  // The channel to who started this process would keep it alive.
  if (process.connected) process.disconnect();
}

function portOf(server: ServerType): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has no port");
  return address.port;
}

async function stopRequested(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const event of ["SIGTERM", "SIGINT"] as const) process.once(event, () => resolve());
  // Started with a channel by a process that has ended: nobody is left to stop this one.
  process.once("disconnect", () => resolve());
  await promise;
}
