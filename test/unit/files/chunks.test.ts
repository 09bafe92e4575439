import { expect, test, vi } from "vitest";
import { chunksOf } from "../../../src/files/chunks.ts";

const KIB = 1024;

/** Gives `chunks` chunks of 32 KiB and counts how many were taken. */
function source(chunks: number) {
  const state = { given: 0, cancelled: false };
  const stream = new ReadableStream(
    {
      type: "bytes",
      pull: (controller: ReadableByteStreamController) => {
        if (state.given === chunks) {
          controller.close();
          controller.byobRequest?.respond(0);
          return;
        }
        state.given += 1;
        controller.enqueue(new Uint8Array(32 * KIB).fill(state.given));
      },
      cancel: () => {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { state, stream };
}

test("FILE7 FILE9 chunks are large, and none is taken before the one before it is done with", async () => {
  const { state, stream } = source(1000);
  let size = 0;
  let count = 0;
  for await (const chunk of chunksOf(stream, 60_000)) {
    size += chunk.length;
    count += 1;
    // What is on its way is bounded by one buffer, whatever the reader does meanwhile.
    await new Promise((resolve) => setImmediate(resolve));
    expect(state.given * 32 * KIB - size).toBeLessThanOrEqual(256 * KIB);
  }
  expect(size).toBe(1000 * 32 * KIB);
  expect(count).toBeLessThanOrEqual(size / (128 * KIB));
});

test("FILE9 what is short comes as one chunk of its size, and more than was announced is told of", async () => {
  for (const [announced, lengths] of [
    [96 * KIB, [96 * KIB]],
    [64 * KIB, [64 * KIB, 32 * KIB]],
  ] as const) {
    const seen: number[] = [];
    for await (const chunk of chunksOf(source(3).stream, 60_000, announced)) {
      expect(chunk.buffer.byteLength).toBe(announced);
      seen.push(chunk.length);
    }
    expect(seen).toEqual(lengths);
  }
});

test("FILE9 who stops listening stops the sender", async () => {
  const { state, stream } = source(1000);
  for await (const chunk of chunksOf(stream, 60_000)) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  expect(state.cancelled).toBe(true);
});

test("P-B-1 a sender that sends next to nothing is given up", async () => {
  vi.useFakeTimers();
  try {
    const stream = new ReadableStream({ type: "bytes" });
    const reading = chunksOf(stream, 120_000).next();
    const refused = expect(reading).rejects.toMatchObject({ code: "UploadTooSlow", errorClass: "ClientDisconnect" });
    await vi.advanceTimersByTimeAsync(120_000);
    await refused;
  } finally {
    vi.useRealTimers();
  }
});
