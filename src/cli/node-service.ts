import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeServiceReport } from "../protocol/node-actions.ts";
import { derivedSigningKeys } from "../signing/derived-keys.ts";
import { CliError } from "./command.ts";
import { say } from "./console.ts";
import { HOST } from "./ports.ts";

export interface NodeServiceOptions {
  /** Bundle of the service. */
  readonly script: string;
  /** 0 = any free one, which the service takes and reports. */
  readonly port: number;
  /** Secrets of the deployment, the present one first. The service gets keys that are derived from them. */
  readonly secrets: readonly string[];
  readonly cacheDirectory: string;
  /** Settings of the service, from the calling environment. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Variables of this process that the service and the npm it runs may need. None of them is a secret. */
const INHERITED =
  /^(PATH|HOME|LANG|TZ|TMPDIR|NODE_PATH|UTC|(https?|no)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|npm_config_registry)$/i;

/** On this machine nobody waits for actions whose backend is being stopped. */
const DRAIN_MS = 1000;
const START_MS = 30_000;
const STOP_MS = 10_000;
const RESTART_PAUSE_MS = 500;
const MAX_RESTART_PAUSE_MS = 10_000;

/**
 * The Node service beside a local backend. Started again when it dies, on the port that it took at first; ends with this
 * process, whatever ends that: the service notices that its channel is closed.
 */
export class NodeService implements AsyncDisposable {
  readonly url: string;
  readonly #options: NodeServiceOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess;
  #watching: Promise<void>;

  private constructor(options: NodeServiceOptions, child: ChildProcess) {
    this.#options = options;
    this.url = `http://${HOST}:${options.port}`;
    this.#child = child;
    this.#watching = this.#watch();
  }

  /** Resolves when it listens. */
  static async start(options: NodeServiceOptions): Promise<NodeService> {
    const child = await launch(options);
    try {
      return new NodeService({ ...options, port: await reportedPort(child) }, child);
    } catch (error) {
      await ended(child);
      throw error;
    }
  }

  async #watch(): Promise<void> {
    let started = Date.now();
    let pause = RESTART_PAUSE_MS;
    for (;;) {
      if (!hasEnded(this.#child)) await once(this.#child, "exit");
      if (this.#stopping.signal.aborted) return;
      // It has been able to start: what hinders it now, such as a port taken meanwhile, may pass.
      pause = Date.now() - started < pause ? Math.min(pause * 2, MAX_RESTART_PAUSE_MS) : RESTART_PAUSE_MS;
      say("The Node service ended and is started again; actions that it was running have failed.");
      await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      started = Date.now();
      this.#child = await launch(this.#options);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await ended(this.#child);
    await this.#watching;
    // Launched while this was being stopped.
    await ended(this.#child);
  }
}

/** The port that the service has bound: told through its channel, so that nobody else can have taken it. */
async function reportedPort(child: ChildProcess): Promise<number> {
  const listening = Promise.withResolvers<number>();
  child.on("message", (message) => {
    const report = nodeServiceReport.safeParse(message);
    if (report.success) listening.resolve(report.data.port);
  });
  child.once("exit", () => listening.reject(new CliError("The Node service did not start (see above).")));
  const late = setTimeout(() => {
    listening.reject(new CliError(`The Node service did not answer within ${START_MS / 1000} s.`));
  }, START_MS);
  try {
    return await listening.promise;
  } finally {
    clearTimeout(late);
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Asks it to end, and soon insists. */
async function ended(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.kill("SIGTERM");
  const kill = setTimeout(() => {
    say(`The Node service did not end within ${STOP_MS / 1000} s and was killed.`);
    child.kill("SIGKILL");
  }, STOP_MS);
  await once(child, "exit");
  clearTimeout(kill);
}

async function launch({ script, port, secrets, cacheDirectory, settings }: NodeServiceOptions): Promise<ChildProcess> {
  const inherited = Object.entries(process.env).filter(([name]) => INHERITED.test(name));
  const child = spawn(process.execPath, [script], {
    env: {
      CONVECTION_NODE_DRAIN_MS: String(DRAIN_MS),
      ...Object.fromEntries(inherited),
      CONVECTION_NODE_CACHE: cacheDirectory,
      ...settings,
      // Standard input has them.
      CONVECTION_NODE_KEYS_FILE: "",
      CONVECTION_NODE_HOST: HOST,
      CONVECTION_NODE_PORT: String(port),
    },
    stdio: ["pipe", "ignore", "pipe", "ipc"],
  });
  if (child.stdin === null || child.stderr === null) throw new Error("a child with pipes has none");
  // It may have ended already; then its exit is what counts.
  child.stdin.on("error", () => undefined);
  child.stdin.end(await derivedSigningKeys(secrets));
  createInterface({ input: child.stderr }).on("line", report);
  return child;
}

/** Its log in short: what an operator of a local backend must know. */
function report(line: string): void {
  if (/"level":"info"/.test(line)) return;
  say(`Node service: ${line}`);
}
