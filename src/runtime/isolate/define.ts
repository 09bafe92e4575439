/** Replaces a property the way built-ins have theirs: writable, configurable, not enumerable. */
export function define(target: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
}

type Replacement = (original: object, receiver: unknown, args: unknown[]) => unknown;

/** Puts `replacement` in front of a method. `callOriginal` goes on with the method it replaced. */
export function wrapMethod(holder: object, name: string, replacement: Replacement): void {
  const original: unknown = Reflect.get(holder, name);
  if (typeof original !== "function") return;
  const wrapper = {
    [name](this: unknown, ...args: unknown[]): unknown {
      return replacement(original, this, args);
    },
  }[name];
  define(holder, name, wrapper);
}

export function callOriginal(original: object, receiver: unknown, args: unknown[]): unknown {
  return typeof original === "function" ? (Reflect.apply(original, receiver, args) as unknown) : undefined;
}

/** Removes a property from an object and from everything it inherits from. */
export function hide(target: object, name: PropertyKey): void {
  let owner: object | null = target;
  while (owner !== null && owner !== Object.prototype) {
    Reflect.deleteProperty(owner, name);
    owner = Reflect.getPrototypeOf(owner);
  }
}

/**
 * Stands in front of a built-in class. `prepare` sees the arguments of each construction first. Instances made by the
 * platform itself pass `instanceof`, since the prototype is shared.
 */
export function interceptConstruction<T extends object>(
  name: string,
  real: new (...args: never[]) => T,
  prepare: (args: unknown[]) => unknown[],
  made?: (instance: T, args: readonly unknown[]) => void,
): void {
  const front: typeof real = new Proxy(real, {
    construct(target, args: unknown[], newTarget) {
      const instance = Reflect.construct(target, prepare(args), newTarget === front ? target : newTarget) as T;
      made?.(instance, args);
      return instance;
    },
  });
  define(real.prototype as object, "constructor", front);
  define(globalThis, name, front);
}
