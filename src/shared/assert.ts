/** A condition that only a bug of ours can break. The failure is logged whole and answered bare. */
export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (!condition) {
    throw new Error(`Assertion failed: ${typeof message === "string" ? message : message()}`);
  }
}

export function must<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, () => `${what} is missing`);
  return value;
}

/** Ends an exhaustive switch: a new member of the union fails to compile here. */
export function unreachable(value: never): never {
  throw new Error(`Unreachable: ${JSON.stringify(value)}`);
}
