const ROUNDS = 12;
/** "expand 16-byte k", the constants of ChaCha with a 128-bit key. */
const SIGMA = [0x61707865, 0x3120646e, 0x79622d36, 0x6b206574] as const;

/**
 * ChaCha12 over a 128-bit seed. A cryptographic generator and not a small one: a mutation may hand out one random id
 * and keep another secret, and the first must not reveal the second.
 */
export class SeededRandom {
  readonly #input = new Uint32Array(16);
  readonly #block = new Uint32Array(16);
  #used = 16;

  /** @param seed 32 hex digits. */
  constructor(seed: string) {
    this.#input.set(SIGMA, 0);
    for (let i = 0; i < 4; i++) {
      const key = Number.parseInt(seed.slice(8 * i, 8 * i + 8), 16);
      this.#input[4 + i] = key;
      this.#input[8 + i] = key;
    }
  }

  uint32(): number {
    if (this.#used === 16) this.#refill();
    return this.#block[this.#used++] ?? 0;
  }

  /** Uniform in [0, 1) with 53 bits, like `Math.random`. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  fillBytes(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const four = this.uint32();
      for (let j = 0; j < 4 && i + j < bytes.length; j++) bytes[i + j] = (four >>> (8 * j)) & 0xff;
    }
  }

  #refill(): void {
    const x = this.#block;
    x.set(this.#input);
    for (let round = 0; round < ROUNDS; round += 2) {
      quarter(x, 0, 4, 8, 12);
      quarter(x, 1, 5, 9, 13);
      quarter(x, 2, 6, 10, 14);
      quarter(x, 3, 7, 11, 15);
      quarter(x, 0, 5, 10, 15);
      quarter(x, 1, 6, 11, 12);
      quarter(x, 2, 7, 8, 13);
      quarter(x, 3, 4, 9, 14);
    }
    for (let i = 0; i < 16; i++) x[i] = word(x, i) + word(this.#input, i);
    this.#input[12] = word(this.#input, 12) + 1;
    if (this.#input[12] === 0) this.#input[13] = word(this.#input, 13) + 1;
    this.#used = 0;
  }
}

function word(x: Uint32Array, i: number): number {
  return x[i] ?? 0;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function quarter(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  x[a] = word(x, a) + word(x, b);
  x[d] = rotate(word(x, d) ^ word(x, a), 16);
  x[c] = word(x, c) + word(x, d);
  x[b] = rotate(word(x, b) ^ word(x, c), 12);
  x[a] = word(x, a) + word(x, b);
  x[d] = rotate(word(x, d) ^ word(x, a), 8);
  x[c] = word(x, c) + word(x, d);
  x[b] = rotate(word(x, b) ^ word(x, c), 7);
}
