import { OWN_GLOBALS } from "./own-global-names.ts";
import { currentCall } from "./running.ts";

/**
 * An assignment holds for the call that made it; what stands there now is what each call begins with. Libraries that
 * find a setter assign and do not redefine. Only in apps that may assign: elsewhere globals stay plain properties.
 */
export function installOwnGlobals(): void {
  for (const name of OWN_GLOBALS) {
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
