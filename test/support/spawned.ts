import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A process whose output is collected and can be waited for. */
export class Spawned {
  readonly process: ChildProcess;
  readonly exited: Promise<number>;
  #stdout = "";
  #stderr = "";
  #ended = false;
  readonly #waiters = new Set<() => void>();

  constructor(
    command: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv; stdin?: string } = {},
  ) {
    // Its own process group, so that `kill` reaches every descendant.
    this.process = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    this.process.stdin?.end(options.stdin);
    this.process.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      this.#stdout += chunk;
      this.#wake();
    });
    this.process.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      this.#stderr += chunk;
      this.#wake();
    });
    this.exited = once(this.process, "close").then(([code, signal]) => {
      this.#ended = true;
      this.#wake();
      return typeof code === "number" ? code : signal === null ? -1 : 128;
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** First match in an output, now or later. Rejects with everything printed when the process ends without it. */
  async until(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this[stream].match(pattern);
      if (match !== null) return match;
      if (this.#ended) throw new Error(`the process ended without ${pattern}\n${this.#stdout}\n${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  /** Asks the process to stop and waits for its end. */
  async stop(): Promise<number> {
    this.process.kill("SIGTERM");
    return await this.exited;
  }

  /** Ends the process and all its descendants at once, as a power cut would. */
  async kill(): Promise<void> {
    const { pid } = this.process;
    if (pid !== undefined) killGroup(pid);
    await this.exited;
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}

/** Also those whose first process has ended already; none may be left. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
