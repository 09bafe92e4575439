import { callOriginal, define, wrapMethod } from "./define.ts";
import { RealArrayBuffer } from "./originals.ts";

/**
 * The platform compiles WebAssembly while an isolate starts and never again; Convex does so at any time. What the code
 * of the app spells out (`code/wasm-literals.ts`) is therefore compiled at start-up, and found by its bytes when a
 * call asks for it.
 */
const compiled: { readonly bytes: Uint8Array; readonly module: WebAssembly.Module }[] = [];

const Bytes = Uint8Array;
const RealModule = WebAssembly.Module;

/** At start-up, before any user code runs. `encoded`: base64. */
export function compileAtStart(encoded: readonly string[]): void {
  for (const text of encoded) {
    try {
      const bytes = Bytes.from(atob(text), (character) => character.charCodeAt(0));
      if (find(bytes) === undefined) compiled.push({ bytes, module: construct([bytes], RealModule) });
    } catch {
      // Looks like WebAssembly and is none: who asks for it is told by the platform.
    }
  }
}

function find(source: unknown): WebAssembly.Module | undefined {
  if (compiled.length === 0) return undefined;
  const bytes = bytesOf(source);
  return bytes && compiled.find((known) => isEqual(known.bytes, bytes))?.module;
}

function construct(args: unknown[], newTarget: object): WebAssembly.Module {
  return Reflect.construct(RealModule, args, newTarget as typeof RealModule) as WebAssembly.Module;
}

function bytesOf(source: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(source)) return new Bytes(source.buffer, source.byteOffset, source.byteLength);
  return source instanceof RealArrayBuffer || source instanceof SharedArrayBuffer ? new Bytes(source) : undefined;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

export function installWebAssembly(): void {
  const front: typeof RealModule = new Proxy(RealModule, {
    construct(target, args: unknown[], newTarget) {
      const known = find(args[0]);
      return known ?? construct(args, newTarget === front ? target : newTarget);
    },
  });
  define(RealModule.prototype, "constructor", front);
  define(WebAssembly, "Module", front);
  wrapMethod(WebAssembly, "compile", (original, receiver, args) => {
    const known = find(args[0]);
    return known === undefined ? callOriginal(original, receiver, args) : Promise.resolve(known);
  });
  wrapMethod(WebAssembly, "instantiate", (original, receiver, args) => {
    const module = find(args[0]);
    if (module === undefined) return callOriginal(original, receiver, args);
    return instantiate(module, () => callOriginal(original, receiver, [module, ...args.slice(1)]));
  });
}

async function instantiate(module: WebAssembly.Module, start: () => unknown): Promise<object> {
  return { module, instance: await start() };
}
