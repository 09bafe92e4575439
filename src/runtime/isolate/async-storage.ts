import { AsyncLocalStorage as PlatformStorage, AsyncResource as PlatformResource } from "node:async_hooks";
import { currentCall } from "./running.ts";

interface Frame {
  store: unknown;
  /** Of `disable`: frames from before it are empty. */
  era: number;
}

interface StorageOptions {
  readonly defaultValue?: unknown;
  readonly name?: string;
}

type Callback<R> = (...args: unknown[]) => R;

/** While modules are evaluated no call runs. */
const IMPORTING = {};

/**
 * Node's class on the platform's, which has neither `enterWith` nor `disable`. What was entered holds for the
 * surrounding `run`, or else for the call, branches of it that run at the same time included.
 */
export class AsyncLocalStorage {
  readonly #platform = new PlatformStorage<Frame>();
  /** By call: where no `run` surrounds the code. */
  readonly #entered = new WeakMap<object, Frame>();
  readonly #options: StorageOptions;
  #era = 0;

  constructor(options: StorageOptions = {}) {
    this.#options = options;
  }

  static bind(callback: Callback<unknown>): Callback<unknown> {
    return PlatformStorage.bind(callback);
  }

  static snapshot(): (callback: Callback<unknown>, ...args: unknown[]) => unknown {
    return PlatformStorage.snapshot();
  }

  get name(): string {
    return this.#options.name ?? "";
  }

  getStore(): unknown {
    const frame = this.#frame();
    return frame?.era === this.#era ? frame.store : this.#options.defaultValue;
  }

  run<R>(store: unknown, callback: Callback<R>, ...args: unknown[]): R {
    return this.#platform.run({ store, era: this.#era }, callback, ...args);
  }

  exit<R>(callback: Callback<R>, ...args: unknown[]): R {
    return this.run(this.#options.defaultValue, callback, ...args);
  }

  enterWith(store: unknown): void {
    const frame = this.#frame();
    if (frame === undefined) this.#entered.set(currentCall() ?? IMPORTING, { store, era: this.#era });
    else Object.assign(frame, { store, era: this.#era });
  }

  disable(): void {
    this.#era++;
  }

  #frame(): Frame | undefined {
    return this.#platform.getStore() ?? this.#entered.get(currentCall() ?? IMPORTING);
  }
}

/** The platform's keeps its type to itself. */
export class AsyncResource extends PlatformResource {
  readonly type: string;

  constructor(type: string, options?: unknown) {
    super(type, options);
    this.type = type;
  }
}
