import { RpcTarget } from "cloudflare:workers";
import type { HostCapability, LogLine, SyscallRequest, SyscallResponse } from "../../protocol/invocation.ts";
import { CodedError } from "../../shared/coded-error.ts";
import { ownValue } from "../../shared/own-value.ts";
import { sourceMapsOf } from "../code/app-source-maps.ts";
import { tableMap } from "../code/deployments.ts";
import { actionSyscalls } from "../syscalls/action-table.ts";
import { parseSyscallArguments } from "../syscalls/arguments.ts";
import { blobHead, getBlob, storeBlob } from "./action-blobs.ts";
import type { ActionExecution } from "./action-execution.ts";
import { FunctionError } from "./failure.ts";
import { withStacks } from "./log-lines.ts";
import { Turns } from "./turns.ts";

/** E-C-17: what an action is told about a failure that is ours. The failure itself is logged whole. */
const INTERNAL = "Your request couldn't be completed. Try again later.";

/** Operations that run queries and mutations: each takes part of the one thread that all functions share. */
const TRANSACTIONS: ReadonlySet<string> = new Set(["1.0/actions/query", "1.0/actions/mutation"]);

/** Of one action at once; the others of its pending operations wait for their turn, however long. */
const CONCURRENT_TRANSACTIONS = 32;

/** The rights of one action. Ends with it: later calls of code that was left running are refused. */
export class ActionCapability extends RpcTarget implements HostCapability {
  readonly #execution: ActionExecution;
  /** Lines that arrived and were not handed on yet; they keep their order. */
  #logged: Promise<void> = Promise.resolve();
  /** Both made when somebody waits or tells: most actions do neither. */
  #served: PromiseWithResolvers<void> | undefined;
  #gone: PromiseWithResolvers<boolean> | undefined;
  readonly #transactions = new Turns(CONCURRENT_TRANSACTIONS);
  #ended = false;

  constructor(execution: ActionExecution) {
    super();
    this.#execution = execution;
  }

  /** HTTP actions: the response was sent, and everything that was printed has been told. */
  get served(): Promise<void> {
    this.#served ??= Promise.withResolvers();
    return this.#served.promise;
  }

  finished(): Promise<void> {
    this.#served ??= Promise.withResolvers();
    this.#served.resolve(this.#logged);
    return this.#served.promise;
  }

  disconnected(): Promise<boolean> {
    this.#assertRunning();
    const { client } = this.#execution;
    this.#gone ??= Promise.withResolvers();
    const { promise, resolve } = this.#gone;
    const gone = (): void => resolve(true);
    if (client?.aborted === true) gone();
    client?.addEventListener("abort", gone, { once: true });
    return promise;
  }

  end(): void {
    this.#ended = true;
    this.#gone?.resolve(false);
  }

  async syscalls(batch: string): Promise<string> {
    this.#assertRunning();
    const requests: readonly SyscallRequest[] = JSON.parse(batch);
    return JSON.stringify(await Promise.all(requests.map(([op, args]) => this.#answer(op, args))));
  }

  /** Every error is a rejection that the action may catch (`abi.md` §2.1.4). */
  #answer(op: string, args: string): Promise<SyscallResponse> {
    const answer = () => answerSyscall(this.#execution, op, args);
    return TRANSACTIONS.has(op) ? this.#transactions.run(answer) : answer();
  }

  tables(): Promise<string> {
    return Promise.resolve(JSON.stringify(tableMap(this.#execution.deployment.catalog)));
  }

  log(lines: string): Promise<void> {
    this.#assertRunning();
    const parsed: readonly LogLine[] = JSON.parse(lines);
    const { runtime, deployment, onLog } = this.#execution;
    const mapped = withStacks(parsed, sourceMapsOf(runtime.code, deployment.app.version));
    this.#logged = this.#logged.then(async () => onLog(await mapped));
    return this.#logged;
  }

  async storeBlob(blobJson: string, bytes: ReadableStream<Uint8Array>): Promise<string> {
    this.#assertRunning();
    // From user code's isolate: what it says is checked like the arguments of any operation.
    const head = blobHead.parse(JSON.parse(blobJson));
    return JSON.stringify(
      await answered(this.#execution, "storage.store", () => storeBlob(this.#execution, { ...head, bytes })),
    );
  }

  async getBlob(storageId: string): Promise<{ answer: string; bytes: ReadableStream<Uint8Array> | null }> {
    this.#assertRunning();
    let bytes: ReadableStream<Uint8Array> | null = null;
    const answer = await answered(this.#execution, "storage.get", async () => {
      const blob = await getBlob(this.#execution, storageId);
      bytes = blob?.bytes ?? null;
      return JSON.stringify(blob?.head ?? null);
    });
    return { answer: JSON.stringify(answer), bytes };
  }

  #assertRunning(): void {
    if (this.#ended) throw new Error("The action has ended.");
  }
}

/** `thrown` says which failures of ours are thrown and not answered. */
export function answerSyscall(
  execution: ActionExecution,
  op: string,
  args: string,
  thrown?: (error: unknown) => boolean,
): Promise<SyscallResponse> {
  const work = async (): Promise<string> => {
    const handler = ownValue(actionSyscalls, op);
    if (handler === undefined) {
      throw new CodedError("BadRequest", "UnknownAsyncOperation", `Unknown async operation ${op}`);
    }
    return handler(execution, parseSyscallArguments(op, args));
  };
  return answered(execution, op, work, thrown);
}

async function answered(
  execution: ActionExecution,
  op: string,
  work: () => Promise<string>,
  thrown: (error: unknown) => boolean = () => false,
): Promise<SyscallResponse> {
  try {
    return { ok: true, result: await work() };
  } catch (error) {
    if (error instanceof FunctionError) return rejection(error.failure.message, error.failure.data);
    if (thrown(error)) throw error;
    if (error instanceof CodedError) return rejection(error.message, error.data);
    execution.runtime.log.error("syscall failed", error, { op });
    return rejection(INTERNAL, undefined);
  }
}

function rejection(message: string, data: string | undefined): SyscallResponse {
  return data === undefined ? { ok: false, message } : { ok: false, message, data };
}
