/** Wall clock, passed in so that tests can hold or replay time. */
export interface Clock {
  /** Milliseconds since the Unix epoch, possibly fractional. */
  now(): number;
}
