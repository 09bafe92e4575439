import { callOriginal, define, wrapMethod } from "./define.ts";
import type { MemoryAccount } from "./memory-account.ts";
import { currentCall } from "./running.ts";

/** Allocations below this many bytes are not counted, so that ordinary code pays one comparison. */
const COUNTED_FROM = 16 * 1024;
const ARRAY_SLOT_BYTES = 8;
/** Asks the running call for memory before it is taken; throws when its limit is passed, and the call is lost then. */
export function charge(bytes: number): MemoryAccount | undefined {
  const call = currentCall();
  if (call === undefined || call.memory.admits(bytes)) return call?.memory;
  const { memoryBytes, notes } = call.invocation.limits;
  const megabytes = Math.round(memoryBytes / (1024 * 1024));
  const error = new RangeError(
    `JavaScript execution ran out of memory (maximum memory usage: ${megabytes} MB)${notes.memoryBytes}`,
  );
  call.fail({ kind: "memory", error });
  throw error;
}

type BufferConstructor = new (...args: never[]) => ArrayBuffer | ArrayBufferView;

function construct(real: BufferConstructor, args: unknown[], newTarget: unknown): ArrayBuffer | ArrayBufferView {
  return Reflect.construct(real, args as never[], newTarget as BufferConstructor) as ArrayBuffer | ArrayBufferView;
}

function replaceBuffer(real: BufferConstructor, bytesPerElement: number): void {
  function Counted(this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined) throw new TypeError(`Constructor ${real.name} requires 'new'`);
    const target: unknown = new.target;
    const newTarget = target === Counted ? real : new.target;
    const size = args[0];
    if (typeof size === "number") {
      const bytes = size * bytesPerElement;
      if (!(bytes >= COUNTED_FROM)) return construct(real, args, newTarget);
      const account = charge(bytes);
      const buffer = construct(real, args, newTarget);
      account?.keep(bytes, buffer);
      return buffer;
    }
    const made = construct(real, args, newTarget);
    // A view of an existing buffer takes nothing; a copy of a list takes as much as its source.
    if (made.byteLength >= COUNTED_FROM && !isBuffer(size)) charge(made.byteLength)?.keep(made.byteLength, made);
    return made;
  }
  Object.setPrototypeOf(Counted, Reflect.getPrototypeOf(real));
  for (const name of Reflect.ownKeys(real)) {
    const property = Object.getOwnPropertyDescriptor(real, name);
    if (property !== undefined) Object.defineProperty(Counted, name, property);
  }
  define(real.prototype, "constructor", Counted);
  define(globalThis, real.name, Counted);
}

function isBuffer(value: unknown): boolean {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function replaceArrayFills(): void {
  wrapMethod(Array.prototype, "fill", (original, receiver, args) => {
    const bytes = lengthOf(receiver) * ARRAY_SLOT_BYTES;
    if (bytes >= COUNTED_FROM && isObject(receiver)) charge(bytes)?.keep(bytes, receiver);
    return callOriginal(original, receiver, args);
  });
  wrapMethod(Array, "from", (original, receiver, args) => {
    const bytes = lengthOf(args[0]) * ARRAY_SLOT_BYTES;
    const account = bytes >= COUNTED_FROM ? charge(bytes) : undefined;
    const array = callOriginal(original, receiver, args);
    if (isObject(array)) account?.keep(bytes, array);
    return array;
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function lengthOf(value: unknown): number {
  return isObject(value) && "length" in value ? Number(value.length) : 0;
}

/** Strings can't be watched: what they take is never given back within the call. */
function replaceStringFills(): void {
  wrapMethod(String.prototype, "repeat", (original, receiver, args) => {
    const bytes = (typeof receiver === "string" ? receiver.length : 1) * Number(args[0]);
    if (bytes >= COUNTED_FROM && Number.isFinite(bytes)) charge(bytes)?.keep(bytes);
    return callOriginal(original, receiver, args);
  });
  for (const name of ["padStart", "padEnd"]) {
    wrapMethod(String.prototype, name, (original, receiver, args) => {
      const bytes = Number(args[0]);
      if (bytes >= COUNTED_FROM && Number.isFinite(bytes)) charge(bytes)?.keep(bytes);
      return callOriginal(original, receiver, args);
    });
  }
}

export function installMemoryAccounting(): void {
  replaceBuffer(ArrayBuffer, 1);
  const elements = [
    Uint8Array,
    Int8Array,
    Uint8ClampedArray,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ];
  for (const array of elements) replaceBuffer(array, array.BYTES_PER_ELEMENT);
  replaceArrayFills();
  replaceStringFills();
}
