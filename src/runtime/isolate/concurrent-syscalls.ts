import { parseResponses, rejection } from "./syscall-response.ts";

/** Ours failed, not the function: what an action sees of it (`abi.md` §2.1.4). */
const SYSTEM_FAILURE = "Your request couldn't be completed. Try again later.";

/** Async syscalls of an action: each is sent at once and none waits for another. */
export class ConcurrentSyscalls {
  readonly #send: (batch: string) => Promise<string>;
  readonly #begin: (op: string) => () => void;

  /** @param begin counts a pending operation until the function it returns is called; throws at the limit. */
  constructor(send: (batch: string) => Promise<string>, begin: (op: string) => () => void) {
    this.#send = send;
    this.#begin = begin;
  }

  async call(op: string, args: string): Promise<string> {
    const finish = this.#begin(op.replace(/^1\.0\//, ""));
    try {
      const answer = await this.#send(JSON.stringify([[op, args]])).catch(() => {
        throw new Error(SYSTEM_FAILURE);
      });
      const response = parseResponses(answer, 1)[0];
      if (response?.ok !== true) throw response === undefined ? new Error(SYSTEM_FAILURE) : rejection(response);
      return response.result;
    } finally {
      finish();
    }
  }
}
