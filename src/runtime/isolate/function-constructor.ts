import { define } from "./define.ts";

/** Bodies that do nothing: libraries make such a function to learn whether functions can be made from strings. */
const QUESTION = /^\s*(?:return\b)?\s*(?:true|false|null|undefined|\d*)\s*;?\s*$/;
/** What many packages do where `globalThis` might be missing. */
const GLOBAL = /^\s*return this\s*;?\s*$/;

/**
 * Functions are made from strings while an isolate starts and never again. A library that asks at import, where it
 * would be told yes, keeps the answer and fails in every call (zod, ArkType): it is told no.
 */
export function installFunctionConstructor(): void {
  const real = Function;
  const make = (args: readonly unknown[], original: () => unknown): object => {
    const [text = ""] = args;
    if (args.length <= 1 && typeof text === "string") {
      if (GLOBAL.test(text)) return () => globalThis;
      if (QUESTION.test(text)) throw new EvalError("Code generation from strings disallowed for this context");
    }
    return original() as object;
  };
  const front: typeof Function = new Proxy(real, {
    apply: (target, receiver, args: unknown[]) => make(args, () => Reflect.apply(target, receiver, args) as unknown),
    construct: (target, args: unknown[], newTarget) =>
      make(args, () => Reflect.construct(target, args, newTarget === front ? target : newTarget) as unknown),
  });
  define(real.prototype, "constructor", front);
  define(globalThis, "Function", front);
}
