import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { unreachable } from "../../src/shared/assert.ts";
import type { NodeAnalyzeResponse, NodeSyscallResponse } from "../../src/protocol/node-actions.ts";
import { launch, type LaunchOptions } from "./launcher.ts";
import { fromChild, type CallResult, type FromChild, type RunCall, type ToChild } from "./messages.ts";

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote on standard error: V8 says there that its heap is full. */
  readonly stderr: string;
}

export interface CallHandlers {
  syscall(op: string, args: string): Promise<NodeSyscallResponse>;
  log(lines: Extract<FromChild, { type: "log" }>["lines"]): void;
}

export type CallEnd =
  | { readonly kind: "result"; readonly result: CallResult }
  | { readonly kind: "analyzed"; readonly response: NodeAnalyzeResponse }
  /** The process is gone and said nothing. */
  | { readonly kind: "exit"; readonly exit: Exit };

export interface Stray {
  readonly executionId: string;
  readonly error: Extract<FromChild, { type: "stray" }>["error"];
}

const STDERR_CHARACTERS = 8192;

interface RunningCall {
  readonly call: number;
  readonly handlers: CallHandlers;
  readonly ended: (end: CallEnd) => void;
}

/**
 * A child process. Takes one call at a time; `spent` once it must not take another. Dies alone: whatever happens to it
 * ends its call and no other.
 */
export class ActionProcess {
  readonly memoryBytes: number;
  readonly binary: string;
  readonly #child: ChildProcess;
  readonly #onStray: (stray: Stray) => void;
  readonly #exited = Promise.withResolvers<Exit>();
  readonly #ready = Promise.withResolvers<void>();
  #statm: number | undefined;
  #stderr = "";
  #exit: Exit | undefined;
  #running: RunningCall | undefined;
  #calls = 0;
  #spent = false;

  constructor(options: LaunchOptions, onStray: (stray: Stray) => void) {
    this.memoryBytes = options.memoryBytes;
    this.binary = options.binary;
    this.#onStray = onStray;
    this.#child = launch(options);
    this.#ready.promise.catch(() => undefined);
    this.#child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-STDERR_CHARACTERS);
    });
    this.#child.on("message", (message) => this.#receive(message));
    this.#child.on("error", (error) => this.#gone({ code: null, signal: null, stderr: error.message }));
    // Not `close`: what user code started may hold the pipes open.
    this.#child.on("exit", (code, signal) => setImmediate(() => this.#gone({ code, signal, stderr: this.#stderr })));
  }

  /** Resolves when it listens; rejects when it ended before that. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get calls(): number {
    return this.#calls;
  }

  /** Must not take another call. */
  get spent(): boolean {
    return this.#spent || this.#exit !== undefined;
  }

  bind(directory: string, variables: Readonly<Record<string, string>>): void {
    this.#send({ type: "bind", directory, variables });
  }

  run(request: RunCall, handlers: CallHandlers): Promise<CallEnd> {
    const { executionId, module, function: name, args, localAnswers, limits } = request;
    return this.#begin(handlers, (call) => ({
      type: "run",
      call,
      executionId,
      module,
      function: name,
      args,
      localAnswers,
      limits,
    }));
  }

  analyze(modules: readonly string[]): Promise<CallEnd> {
    const handlers: CallHandlers = {
      syscall: () => Promise.resolve({ ok: false, message: "Functions can't be called while modules are evaluated." }),
      log: () => undefined,
    };
    return this.#begin(handlers, (call) => ({ type: "analyze", call, modules }));
  }

  /** Asks a process that still listens to end its call with the text of E-C-2. */
  timeout(): void {
    if (this.#running !== undefined) this.#send({ type: "timeout", call: this.#running.call });
  }

  /** With all that it started, except what has left its process group. */
  kill(): void {
    this.#spent = true;
    if (this.#exit !== undefined || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // The group is not there yet, or not any more.
      this.#child.kill("SIGKILL");
    }
  }

  /** Resident memory, bytes; undefined where the system doesn't tell. */
  get residentBytes(): number | undefined {
    if (this.#exit !== undefined) return undefined;
    try {
      // Open as long as the process lives: it is asked after every call.
      this.#statm ??= openSync(`/proc/${this.#child.pid}/statm`, "r");
      const length = readSync(this.#statm, statmBuffer, 0, statmBuffer.length, 0);
      const pages = /^\d+ (\d+)/.exec(statmBuffer.toString("latin1", 0, length))?.[1];
      return pages === undefined ? undefined : Number(pages) * PAGE_BYTES;
    } catch {
      // No /proc, or the process is gone.
      return undefined;
    }
  }

  #begin(handlers: CallHandlers, message: (call: number) => ToChild): Promise<CallEnd> {
    if (this.#running !== undefined) throw new Error("a process takes one call at a time");
    if (this.#exit !== undefined) return Promise.resolve({ kind: "exit", exit: this.#exit });
    const call = this.#calls++;
    const { promise, resolve } = Promise.withResolvers<CallEnd>();
    this.#running = { call, handlers, ended: resolve };
    this.#send(message(call));
    return promise;
  }

  #receive(message: unknown): void {
    const parsed = fromChild.safeParse(message);
    // User code found the channel. It has only the rights of its own call, and harms itself.
    if (!parsed.success) return;
    const { data } = parsed;
    if (data.type === "ready") this.#ready.resolve();
    else if (data.type === "stray") this.#strayed(data);
    else if (data.call === this.#running?.call) this.#receiveOfCall(data, this.#running);
  }

  /** What runs now may finish; nothing else is run beside what is left over. */
  #strayed(stray: Stray): void {
    this.#onStray(stray);
    this.#spent = true;
    if (this.#running === undefined) this.kill();
  }

  #receiveOfCall(message: Exclude<FromChild, { type: "ready" | "stray" }>, running: RunningCall): void {
    switch (message.type) {
      case "log":
        running.handlers.log(message.lines);
        break;
      case "syscall":
        void this.#answer(message.id, message.op, message.args, running);
        break;
      case "result":
        if (message.spent) this.#spent = true;
        this.#end({ kind: "result", result: message.result });
        break;
      case "analyzed":
        if (!message.response.ok) this.#spent = true;
        this.#end({ kind: "analyzed", response: message.response });
        break;
      default:
        unreachable(message);
    }
  }

  async #answer(id: number, op: string, args: string, running: RunningCall): Promise<void> {
    const response = await running.handlers.syscall(op, args);
    if (this.#running === running) this.#send({ type: "answer", call: running.call, id, response });
  }

  #send(message: ToChild): void {
    // A child that can't be written to is on its way out: its exit ends the call.
    this.#child.send(message, () => undefined);
  }

  #gone(exit: Exit): void {
    if (this.#exit !== undefined) return;
    this.#exit = exit;
    if (this.#statm !== undefined) closeSync(this.#statm);
    this.#statm = undefined;
    this.#ready.reject(
      new Error(`a child process ended before it was ready: ${exit.signal ?? exit.code} ${exit.stderr}`),
    );
    // What it started doesn't outlive it.
    this.kill();
    this.#exited.resolve(exit);
    this.#end({ kind: "exit", exit });
  }

  #end(end: CallEnd): void {
    const running = this.#running;
    this.#running = undefined;
    running?.ended(end);
  }
}

/** Of every Linux that Node runs on, but for some ARM kernels, where memory then counts for less than it is. */
const PAGE_BYTES = 4096;
const statmBuffer = Buffer.alloc(128);
