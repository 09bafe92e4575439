/**
 * The platform's own functions, captured before any global is replaced and before any user module runs. The harness
 * uses these and never the globals, which belong to user code.
 */
export const RealDate = Date;
export const RealFile = File;
export const RealRequest = Request;
export const RealResponse = Response;
export const RealFinalizationRegistry = FinalizationRegistry;
export const RealWeakRef = WeakRef;
export const RealArrayBuffer = ArrayBuffer;

const readBody = Reflect.get(Response.prototype, "arrayBuffer") as (this: Response) => Promise<ArrayBuffer>;

/** Whatever user code has made of the method. */
export function realBody(response: Response): Promise<ArrayBuffer> {
  return Reflect.apply(readBody, response, []);
}

export const realFetch = fetch.bind(globalThis);
export const realSetTimeout = setTimeout.bind(globalThis);
export const realClearTimeout = clearTimeout.bind(globalThis);
export const realSetInterval = setInterval.bind(globalThis);
export const realClearInterval = clearInterval.bind(globalThis);
export const realStructuredClone = structuredClone.bind(globalThis);
export const realRandom = Math.random;

const realSetImmediate = setImmediate.bind(globalThis);
const realPerformanceNow = performance.now.bind(performance);

/** Milliseconds since the epoch, real clock. On the platform it stands still between I/O. */
export const wallClock: () => number = Date.now;

/** Milliseconds with fractions, from an arbitrary origin. */
export function monotonicClock(): number {
  return realPerformanceNow();
}

/** Resolves in a later turn of the event loop: the microtask queue has been empty in between. */
export function drained(): Promise<void> {
  return new Promise((resolve) => void realSetImmediate(resolve));
}

/**
 * Lets pending microtasks settle without a turn of the event loop (10 µs): long enough for what one answer sets off
 * to reach its next syscalls. Used where a missed microtask costs only a smaller batch.
 */
export async function quiescent(): Promise<void> {
  for (let i = 0; i < 16; i++) await Promise.resolve();
}
