import { dirname, join } from "node:path";
import { convertV4MiniflareOptions, Miniflare, MiniflareCoreError, NoOpLog } from "miniflare";
import { setTimeout as sleep } from "node:timers/promises";
import { say } from "./console.ts";
import { applyMigrations, type Migration } from "./migrations.ts";
import { HOST, PortsTakenError } from "./ports.ts";
import { SITE_WORKER } from "./site-worker.ts";
import { watch } from "./watchdog.ts";

const COMPATIBILITY_DATE = "2026-11-01";
const REBIND_PAUSE_MS = 1000;

export interface BackendOptions {
  /** Bundle of the Worker. */
  readonly workerPath: string;
  readonly migrations: readonly Migration[];
  readonly statePath: string;
  readonly port: number;
  readonly sitePort: number;
  /** Variables and secrets of the Worker, the public URLs included. */
  readonly variables: Readonly<Record<string, string>>;
  readonly siteUrl: string;
  readonly watchdogMs: number;
  /** Aborted when this process is asked to stop: a terminal sends its signal to the runtime too. */
  readonly stop: AbortSignal;
  /** Where the runtime's debugger listens, `null` for nowhere. */
  readonly inspectorPort: number | null;
}

/**
 * The Worker in miniflare with everything it is bound to, on two ports. Ready when the migrations are applied.
 *
 * workerd runs every isolate on one thread, so an endless loop in user code stops the whole runtime. The watchdog
 * then replaces it: same ports, same state on disk, as a production runtime would end that one isolate.
 */
export class Backend implements AsyncDisposable {
  readonly #options: BackendOptions;
  readonly #stopping = new AbortController();
  #runtime: Miniflare | null = null;
  #watching: Promise<void> = Promise.resolve();

  private constructor(options: BackendOptions) {
    this.#options = options;
  }

  /** Rejects with `PortsTakenError` when another process has one of its ports. */
  static async start(options: BackendOptions): Promise<Backend> {
    const backend = new Backend(options);
    try {
      const runtime = await backend.#begin();
      const applied = await applyMigrations(await runtime.getD1Database("DB"), options.migrations);
      if (applied.length > 0) say(`Applied ${applied.length} migration(s), up to ${applied.at(-1)}.`);
    } catch (error) {
      await backend[Symbol.asyncDispose]();
      throw error;
    }
    backend.#watching = watch({
      url: `http://${HOST}:${options.port}/version`,
      timeoutMs: options.watchdogMs,
      signal: backend.#stopping.signal,
      restart: () => backend.#restart(),
    });
    return backend;
  }

  async #begin(): Promise<Miniflare> {
    const runtime = newRuntime(this.#options);
    this.#runtime = runtime;
    try {
      await runtime.ready;
      return runtime;
    } catch (cause) {
      this.#runtime = null;
      // It never began: there is nothing to end, and this says once more why.
      await runtime.dispose().catch(() => undefined);
      if (!(cause instanceof MiniflareCoreError) || cause.code !== "ERR_ADDRESS_IN_USE") throw cause;
      throw new PortsTakenError("A port of the runtime was taken by another process.", { cause });
    }
  }

  async #restart(): Promise<void> {
    say(
      `The runtime has not answered for ${this.#options.watchdogMs / 1000} s (CONVECTION_WATCHDOG_MS): most likely an ` +
        "endless loop in a function. It is restarted; requests that were running have failed.",
    );
    await this.#runtime?.dispose();
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#begin();
        say("The runtime is up again.");
        return;
      } catch (error) {
        if (!(error instanceof PortsTakenError)) throw error;
        say(`${error.message} Tried again until it is free.`);
        await sleep(REBIND_PAUSE_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await this.#runtime?.dispose();
  }
}

function newRuntime(options: BackendOptions): Miniflare {
  return withoutSignalListeners(
    () =>
      new Miniflare(
        convertV4MiniflareOptions({
          host: HOST,
          port: options.port,
          cf: false,
          ...(options.inspectorPort === null ? {} : { inspectorPort: options.inspectorPort }),
          log: new NoOpLog(),
          telemetry: { enabled: false },
          resourcePersistencePath: options.statePath,
          resourceTmpPath: join(options.statePath, "tmp"),
          handleStructuredLogs: ({ message }) => say(message),
          unsafeHandleRuntimeRestart: () => {
            if (options.stop.aborted) return;
            say("The runtime crashed and was restarted; requests that were running have failed.");
          },
          workers: [
            {
              name: "convection",
              modules: true,
              scriptPath: options.workerPath,
              // Modules are named by their path from here, and workerd refuses names that lead upwards.
              modulesRoot: dirname(options.workerPath),
              compatibilityDate: COMPATIBILITY_DATE,
              compatibilityFlags: ["nodejs_compat", "enable_request_signal"],
              bindings: { ...options.variables },
              d1Databases: ["DB"],
              r2Buckets: ["FILES", "CODE"],
              durableObjects: {
                TRANSACTOR: { className: "Transactor", useSQLite: true },
                FILE_SWEEPER: { className: "FileSweeper", useSQLite: true },
                TRANSFERS: { className: "Transfers", useSQLite: true },
                SCHEDULER: { className: "Scheduler", useSQLite: true },
                SYNC: { className: "Sync", useSQLite: true },
                SEARCH: { className: "Search", useSQLite: true },
                // In memory only: kept, so that `npx convex logs --history` has something to show after a pause.
                LOGS: { className: "Logs", useSQLite: true, unsafePreventEviction: true },
              },
              workerLoaders: { LOADER: {} },
            },
            {
              name: "site",
              modules: true,
              script: SITE_WORKER,
              compatibilityDate: COMPATIBILITY_DATE,
              bindings: { CONVEX_SITE_URL: options.siteUrl },
              serviceBindings: { BACKEND: "convection" },
              unsafeDirectSockets: [{ host: HOST, port: options.sitePort }],
            },
          ],
        }),
      ),
  );
}

/**
 * miniflare ends the process on signals, before anything else could be disposed of. Its listener for `exit`, which
 * kills workerd, stays.
 */
function withoutSignalListeners<T>(create: () => T): T {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const before = signals.map((signal) => process.listeners(signal));
  const created = create();
  for (const [index, signal] of signals.entries()) {
    for (const listener of process.listeners(signal)) {
      if (!before[index]?.includes(listener)) process.off(signal, listener);
    }
  }
  return created;
}
