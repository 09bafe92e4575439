import type { Log } from "../../src/shared/log.ts";
import { ActionProcess } from "./action-process.ts";
import type { ChildUser } from "./launcher.ts";

export interface PoolSettings {
  readonly prewarmed: number;
  readonly idleProcesses: number;
  readonly idleMs: number;
  readonly callsPerProcess: number;
  readonly defaultMemoryBytes: number;
}

/** What a process is bound to for its life. */
export interface Binding {
  readonly binary: string;
  readonly memoryBytes: number;
  /** The prepared package. */
  readonly directory: string;
  readonly variables: Readonly<Record<string, string>>;
}

interface Idle {
  readonly process: ActionProcess;
  readonly key: string;
  readonly directory: string;
  readonly timer: NodeJS.Timeout;
}

export interface Lease {
  readonly process: ActionProcess;
  /** False when the process was started or bound for this call. */
  readonly warm: boolean;
  /** Gives the process back, to be used again or ended. Once. */
  release(): void;
}

/** Processes with one call each: some bound and idle, some prewarmed for whatever comes, the others at work. */
export class ProcessPool {
  readonly #script: string;
  readonly #ownBinary: string;
  readonly #user: ChildUser | undefined;
  readonly #settings: PoolSettings;
  readonly #log: Log;
  /** Oldest first. */
  readonly #idle = new Set<Idle>();
  readonly #prewarmed = new Set<ActionProcess>();
  readonly #busy = new Set<ActionProcess>();
  readonly #ending = new Set<ActionProcess>();
  /** Of the last call: what the next one will most likely need. */
  #binary: string;
  #memoryBytes: number;
  #closed = false;

  constructor(script: string, ownBinary: string, user: ChildUser | undefined, settings: PoolSettings, log: Log) {
    this.#script = script;
    this.#ownBinary = ownBinary;
    this.#user = user;
    this.#settings = settings;
    this.#log = log;
    this.#binary = ownBinary;
    this.#memoryBytes = settings.defaultMemoryBytes;
    this.#prewarm();
  }

  get counts(): { readonly busy: number; readonly idle: number; readonly prewarmed: number } {
    return { busy: this.#busy.size, idle: this.#idle.size, prewarmed: this.#prewarmed.size };
  }

  /** Of the last call. Whoever doesn't know what the next one needs asks for the same. */
  get usualMemoryBytes(): number {
    return this.#memoryBytes;
  }

  /** A process that ran this package with these variables before. */
  takeIdle(binding: Binding): Lease | undefined {
    const key = keyOf(binding);
    // The one used last has the warmest caches.
    const found = [...this.#idle].findLast((idle) => idle.key === key && !idle.process.spent);
    if (found === undefined) return undefined;
    clearTimeout(found.timer);
    this.#idle.delete(found);
    return this.#lease(found.process, true, key, binding.directory);
  }

  /** A process bound for this call. Rejects when none can be started. */
  async start(binding: Binding): Promise<Lease> {
    return this.#lease(await this.#bound(binding), false, keyOf(binding), binding.directory);
  }

  /** Ends the idle processes of a package that leaves the cache. */
  forget(directory: string): void {
    for (const idle of this.#idle) {
      if (idle.directory === directory) this.#endIdle(idle);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const idle of this.#idle) this.#endIdle(idle);
    for (const process of [...this.#prewarmed, ...this.#busy]) this.#kill(process);
    await Promise.all([...this.#ending].map(({ exited }) => exited));
  }

  #lease(process: ActionProcess, warm: boolean, key: string, directory: string): Lease {
    this.#busy.add(process);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#release(process, key, directory);
    };
    return { process, warm, release };
  }

  async #bound({ binary, memoryBytes, directory, variables }: Binding): Promise<ActionProcess> {
    this.#binary = binary;
    this.#memoryBytes = memoryBytes;
    const process = this.#takePrewarmed() ?? this.#start();
    await process.ready;
    process.bind(directory, variables);
    this.#prewarm();
    return process;
  }

  #takePrewarmed(): ActionProcess | undefined {
    for (const process of this.#prewarmed) {
      this.#prewarmed.delete(process);
      if (process.binary === this.#binary && process.memoryBytes === this.#memoryBytes && !process.spent)
        return process;
      this.#kill(process);
    }
    return undefined;
  }

  #prewarm(): void {
    while (!this.#closed && this.#prewarmed.size < this.#settings.prewarmed) {
      const process = this.#start();
      this.#prewarmed.add(process);
      void process.exited.then(() => this.#prewarmed.delete(process));
    }
  }

  #start(): ActionProcess {
    const options = {
      binary: this.#binary,
      script: this.#script,
      memoryBytes: this.#memoryBytes,
      user: this.#user,
      sameVersion: this.#binary === this.#ownBinary,
    };
    return new ActionProcess(options, ({ executionId, error }) => {
      const { name, message, stack } = error;
      this.#log.warn("a finished action left something behind that failed", { executionId, name, message, stack });
    });
  }

  #release(process: ActionProcess, key: string, directory: string): void {
    this.#busy.delete(process);
    if (this.#closed || process.spent || process.calls >= this.#settings.callsPerProcess || isLarge(process)) {
      this.#kill(process);
      return;
    }
    const timer = setTimeout(() => this.#endIdle(idle), this.#settings.idleMs).unref();
    const idle: Idle = { process, key, directory, timer };
    this.#idle.add(idle);
    void process.exited.then(() => {
      if (this.#idle.has(idle)) this.#endIdle(idle);
    });
    while (this.#idle.size > this.#settings.idleProcesses) {
      const [oldest] = this.#idle;
      if (oldest !== undefined) this.#endIdle(oldest);
    }
  }

  #endIdle(idle: Idle): void {
    clearTimeout(idle.timer);
    this.#idle.delete(idle);
    this.#kill(idle.process);
  }

  #kill(process: ActionProcess): void {
    this.#ending.add(process);
    void process.exited.then(() => this.#ending.delete(process));
    process.kill();
  }
}

/** A process that holds most of what it may is not worth keeping: the next call would pay for the last ones. */
function isLarge(process: ActionProcess): boolean {
  return (process.residentBytes ?? 0) > Math.max(process.memoryBytes / 2, 192 * 1024 * 1024);
}

function keyOf({ binary, memoryBytes, directory, variables }: Binding): string {
  const sorted = Object.entries(variables).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([binary, memoryBytes, directory, sorted]);
}
