/** Source of randomness, passed in so that a run can be replayed from its seed. */
export interface Random {
  /** Fills and returns a fresh array of `length` bytes. */
  bytes(length: number): Uint8Array;
}
