import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { bundleWorker } from "../../../scripts/build.ts";
import { startBackend, type StartOptions, type TestBackend } from "../backend.ts";
import { FIXTURES, ROOT } from "../paths.ts";

/** The controls of `test/proof/worker/controls.ts`, as they cross HTTP. */
export interface ControlState {
  readonly loaderIds: readonly string[];
  readonly loads: number;
  readonly faultSeed: number;
  readonly faultProbability: number;
  readonly faultKinds: readonly string[];
  readonly letThrough: number;
  readonly heldReads: number;
  readonly loseJobAnswers: number;
  readonly loseActions: readonly ("before" | "while")[];
  readonly lostPushes: Readonly<Record<string, number>>;
  readonly delivered: Readonly<Record<string, readonly number[]>>;
  readonly lives: Readonly<Record<string, number>>;
  readonly syncShards: number | null;
}

/** `convection start` with the test Worker of `test/proof/worker/` and the app `proof-app`. */
export class ProofBackend implements AsyncDisposable {
  readonly backend: TestBackend;
  readonly #folder: string;

  private constructor(backend: TestBackend, folder: string) {
    this.backend = backend;
    this.#folder = folder;
  }

  /** `app`: what is pushed, or `null` when the data directory has it. */
  static async start(
    options: StartOptions = {},
    app: string | null = join(FIXTURES, "proof-app"),
  ): Promise<ProofBackend> {
    const folder = mkdtempSync(join(tmpdir(), "convection-proof-"));
    const file = join(folder, "worker.js");
    await bundleWorker(join(ROOT, "test/proof/worker/worker.ts"), file);
    const backend = await startBackend({
      ...(app === null ? {} : { app }),
      ...options,
      args: [`--worker=${file}`, ...(options.args ?? [])],
    });
    return new ProofBackend(backend, folder);
  }

  /** Sets some controls; answers all of them. */
  async controls(change: Partial<ControlState> = {}): Promise<ControlState> {
    return (await this.#post("controls", change)) as ControlState;
  }

  /** Takes the memory, and the sockets, of the only object of the binding, or of the shard. */
  async evict(binding: "SYNC" | "SCHEDULER" | "TRANSACTOR", shard = 0): Promise<void> {
    await this.#post("evict", { binding, name: binding === "SYNC" ? `sync-${shard}` : binding.toLowerCase() });
  }

  /** Open sockets of each of the first shards. */
  async sockets(shards: number): Promise<readonly number[]> {
    return (await this.#post("sockets", shards)) as readonly number[];
  }

  /** Does something to the alarm of the Scheduler. */
  async alarm(trouble: "lost" | "late" | "twice"): Promise<void> {
    await this.#post("alarm", trouble);
  }

  async sql(statement: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.#post("sql", statement)) as readonly Readonly<Record<string, unknown>>[];
  }

  /** Asks until the answer will do. What it waits for tells nobody when it happens: alarms, clean-up. */
  async until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
    for (;;) {
      const answer = await ask();
      if (good(answer)) return answer;
      await setTimeout(20);
    }
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${this.backend.url.replace(/\/$/, "")}/proof/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
