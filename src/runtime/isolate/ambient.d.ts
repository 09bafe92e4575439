/** What workerd has and `@cloudflare/workers-types` does not declare. */
declare module "node:async_hooks" {
  export class AsyncLocalStorage<T> {
    getStore(): T | undefined;
    run<R>(store: T, callback: (...args: unknown[]) => R, ...args: unknown[]): R;
    exit<R>(callback: () => R): R;
    static bind(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown;
    static snapshot(): (callback: (...args: unknown[]) => unknown, ...args: unknown[]) => unknown;
  }
  export class AsyncResource {
    constructor(type: string, options?: unknown);
  }
}

interface ErrorConstructor {
  stackTraceLimit: unknown;
  prepareStackTrace: unknown;
}
