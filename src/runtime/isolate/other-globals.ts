import { AsyncLocalStorage, AsyncResource } from "./async-storage.ts";
import { define, hide } from "./define.ts";
import { failUncatchably } from "./forbidden.ts";
import { realStructuredClone } from "./originals.ts";

/**
 * What Convex has not (`abi.md` §5.1), by which libraries recognise Node, Cloudflare or a browser and take a path
 * that does not work here.
 */
const ABSENT = [
  "navigator",
  "Navigator",
  "global",
  "Buffer",
  "origin",
  "Cloudflare",
  "scheduler",
  "caches",
  "Cache",
  "CacheStorage",
  "ServiceWorkerGlobalScope",
  "WorkerGlobalScope",
  "queueMicrotask",
  "setImmediate",
  "clearImmediate",
  "reportError",
  "ExtendableEvent",
  "FetchEvent",
  "TailEvent",
  "TraceEvent",
  "ScheduledEvent",
  "MessageEvent",
  "CloseEvent",
  "PromiseRejectionEvent",
  "MessageChannel",
  "MessagePort",
  "EventSource",
  "WebSocket",
  "WebSocketPair",
  "WebSocketRequestResponsePair",
  "FixedLengthStream",
  "IdentityTransformStream",
  "HTMLRewriter",
  "Body",
  "PerformanceResourceTiming",
  "PerformanceObserver",
  "PerformanceObserverEntryList",
  "Temporal",
];

/** Holds strongly: when something is collected must not be observable. */
class StrongRef<T extends WeakKey> {
  readonly #target: T;

  constructor(target: T) {
    this.#target = target;
  }

  deref(): T {
    return this.#target;
  }
}

/** Never calls back. */
class SilentRegistry {
  constructor(cleanup: unknown) {
    if (typeof cleanup !== "function") throw new TypeError("FinalizationRegistry: cleanup must be callable");
  }

  register(): void {}

  unregister(): boolean {
    return false;
  }
}

function named(constructor: object, name: string, prototype: object): void {
  define(constructor, "name", name);
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
  define(globalThis, name, constructor);
}

export function installOtherGlobals(): void {
  for (const name of ABSENT) hide(globalThis, name);
  named(StrongRef, "WeakRef", StrongRef.prototype);
  named(SilentRegistry, "FinalizationRegistry", SilentRegistry.prototype);
  named(AsyncLocalStorage, "AsyncLocalStorage", AsyncLocalStorage.prototype);
  named(AsyncResource, "AsyncResource", AsyncResource.prototype);
  define(globalThis, "structuredClone", function structuredClone(value: unknown, options?: unknown): unknown {
    if (options !== undefined) {
      const error = new Error("structuredClone with transfer not supported");
      failUncatchably(error);
      throw error;
    }
    return realStructuredClone(value);
  });
}
