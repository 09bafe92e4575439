import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { derivedSigningKeys } from "../signing/derived-keys.ts";
import { CliError } from "./command.ts";
import { say } from "./console.ts";
import { HOST } from "./ports.ts";

export interface NodeServiceOptions {
  /** Bundle of the service. */
  readonly script: string;
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

/**
 * The Node service beside a local backend. Started again when it dies; ends with this process, whatever ends that: the
 * service notices that its channel is closed.
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

  static async start(options: NodeServiceOptions): Promise<NodeService> {
    const service = new NodeService(options, await launch(options));
    try {
      await service.#healthy(AbortSignal.timeout(START_MS));
      return service;
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #healthy(deadline: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#child.exitCode !== null) throw new CliError("The Node service did not start (see above).");
      const answer = await fetch(`${this.url}/healthz`, { signal: deadline }).catch(() => null);
      await answer?.body?.cancel();
      if (answer?.ok === true) return;
      if (deadline.aborted) throw new CliError(`The Node service did not answer within ${START_MS / 1000} s.`);
      await sleep(20);
    }
  }

  async #watch(): Promise<void> {
    let started = Date.now();
    for (;;) {
      if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
      if (this.#stopping.signal.aborted) return;
      // What can't even start says why, once, to whoever started it.
      if (Date.now() - started < RESTART_PAUSE_MS && this.#child.exitCode === 1) return;
      say("The Node service ended and is started again; actions that it was running have failed.");
      await sleep(Math.max(0, RESTART_PAUSE_MS - (Date.now() - started)));
      if (this.#stopping.signal.aborted) return;
      started = Date.now();
      this.#child = await launch(this.#options);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    clearTimeout(kill);
    await this.#watching;
  }
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
