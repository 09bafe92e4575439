/** What workerd has and `@cloudflare/workers-types` does not declare. */
declare module "node:async_hooks" {
  export class AsyncLocalStorage<T> {
    getStore(): T | undefined;
    run<R>(store: T, callback: () => R): R;
    exit<R>(callback: () => R): R;
  }
  export class AsyncResource {
    constructor(type: string);
  }
}
