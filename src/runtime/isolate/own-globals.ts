import { currentCall } from "./running.ts";

/**
 * Replaced while a function runs by libraries that make code deterministic, such as `@convex-dev/workflow`. On Convex
 * each function has a global object of its own; here calls that interleave, nested ones among them, share one, so an
 * assignment holds for the call that made it. Libraries that find a setter assign and do not redefine.
 */
const OWN = ["Math", "Date", "console", "process", "Crypto", "crypto", "CryptoKey", "SubtleCrypto"];

/** Last of the globals: what stands there now is what each call begins with. */
export function installOwnGlobals(): void {
  for (const name of OWN) {
    let common: unknown = Reflect.get(globalThis, name);
    Object.defineProperty(globalThis, name, {
      configurable: true,
      enumerable: false,
      get() {
        if (assigned === 0) return common;
        const globals = currentCall()?.globals;
        return globals?.has(name) === true ? globals.get(name) : common;
      },
      set(value: unknown) {
        const call = currentCall();
        if (call === undefined) {
          common = value;
          return;
        }
        assigned++;
        call.globals.set(name, value);
      },
    });
  }
}

/** Almost no code assigns to them, and the running call is not looked up before some does. */
let assigned = 0;
