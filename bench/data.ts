/** One message, the same on both sides. About 200 bytes. */
export function message(i: number, channels: number): { channel: string; author: string; body: string } {
  return {
    channel: `channel ${i % channels}`,
    author: `author ${i % 97}`,
    body: `message number ${i}: ${"the quick brown fox jumps over the lazy dog ".repeat(3)}`,
  };
}

/** Every channel has this many messages, so an index read answers 20 rows of 20. */
export const MESSAGES_PER_CHANNEL = 20;

export const COUNTERS = 1000;

export function counterName(i: number): string {
  return i === 0 ? "hot" : `counter ${i}`;
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
