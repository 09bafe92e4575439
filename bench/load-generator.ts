import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { LoadJob, LoadResult } from "./load.ts";

/** `bench/load.ts` in its own process. */
export class LoadGenerator implements AsyncDisposable {
  readonly #process: ChildProcess = fork(join(import.meta.dirname, "load.ts"), { stdio: "inherit" });

  /** Rejects when an answer was not what the job expects: a fast error is no result. */
  async run(job: LoadJob): Promise<LoadResult> {
    this.#process.send(job);
    const [message] = (await once(this.#process, "message")) as [{ result?: LoadResult; error?: string }];
    if (message.result === undefined) throw new Error(message.error);
    const { failures } = message.result;
    if (failures.length > 0) throw new Error(`${job.path} answered:\n${failures.join("\n")}`);
    return message.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, "exit");
  }
}
