import { callOriginal, define, wrapMethod } from "./define.ts";
import { notInQueriesAndMutations, refused } from "./forbidden.ts";
import { importRandom } from "./import-phase.ts";
import { realRandom } from "./originals.ts";
import { currentCall } from "./running.ts";
import type { SeededRandom } from "./seeded-random.ts";

const MAX_BYTES = 65_536;

/** The generator of the running code; undefined in actions, which have the platform's own. */
function seeded(): SeededRandom | undefined {
  const call = currentCall();
  if (call === undefined) return importRandom();
  call.observed.randomness = true;
  return call.deterministic ? call.random : undefined;
}

function replaceMathRandom(): void {
  define(Math, "random", function random() {
    return seeded()?.float() ?? realRandom();
  });
}

function uuid(random: SeededRandom): string {
  const bytes = new Uint8Array(16);
  random.fillBytes(bytes);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function replaceCrypto(): void {
  const prototype = Crypto.prototype;
  wrapMethod(prototype, "getRandomValues", (original, receiver, args) => {
    const random = seeded();
    const [array] = args;
    if (random === undefined) return callOriginal(original, receiver, args);
    if (!ArrayBuffer.isView(array) || array instanceof DataView || isFloatArray(array)) {
      throw new DOMException("The data provided is not an integer typed array", "TypeMismatchError");
    }
    if (array.byteLength > MAX_BYTES) {
      throw new DOMException(
        `The requested length exceeds the maximum of ${MAX_BYTES} bytes (${array.byteLength})`,
        "QuotaExceededError",
      );
    }
    random.fillBytes(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return array;
  });
  wrapMethod(prototype, "randomUUID", (original, receiver, args) => {
    const random = seeded();
    return random === undefined ? callOriginal(original, receiver, args) : uuid(random);
  });
}

function isFloatArray(array: ArrayBufferView): boolean {
  return /^Float\d+Array$/.test(Object.prototype.toString.call(array).slice(8, -1));
}

function refuseRandomness(): Error | undefined {
  const call = currentCall();
  if (call === undefined) return new Error("Cannot use cryptographic randomness at import time");
  return call.deterministic ? notInQueriesAndMutations("cryptographic randomness") : undefined;
}

interface Draws {
  /** Position of the algorithm among the arguments. */
  readonly at: number;
  /** Algorithms that draw random numbers; undefined = all. */
  readonly algorithms?: readonly string[];
}

const DRAWS: Readonly<Record<string, Draws>> = {
  generateKey: { at: 0 },
  sign: { at: 0, algorithms: ["ECDSA", "RSA-PSS"] },
  encrypt: { at: 0, algorithms: ["RSA-OAEP"] },
  wrapKey: { at: 3, algorithms: ["RSA-OAEP"] },
};

function replaceSubtleCrypto(): void {
  for (const [name, { at, algorithms }] of Object.entries(DRAWS)) {
    wrapMethod(SubtleCrypto.prototype, name, (original, receiver, args) => {
      const draws = algorithms === undefined || algorithms.includes(algorithmName(args[at]));
      const refusal = draws ? refuseRandomness() : undefined;
      return refusal === undefined ? callOriginal(original, receiver, args) : refused(refusal);
    });
  }
}

function algorithmName(algorithm: unknown): string {
  if (typeof algorithm === "string") return algorithm.toUpperCase();
  if (typeof algorithm === "object" && algorithm !== null && "name" in algorithm) {
    return String(algorithm.name).toUpperCase();
  }
  return "";
}

export function installRandomness(): void {
  replaceMathRandom();
  replaceCrypto();
  replaceSubtleCrypto();
}
