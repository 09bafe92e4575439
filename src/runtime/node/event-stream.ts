import { type ExecuteEvent, executeEvent } from "../../protocol/node-actions.ts";

/** The service went away, or speaks another language: what it was asked for may have run in part. */
export class BrokenStreamError extends Error {
  override readonly name = "BrokenStreamError";
}

/** The service sends a line at least this often. */
const SILENCE_MS = 60_000;

/** Events of an answer of `/execute`, up to and with its result. Throws `BrokenStreamError` when it ends before. */
export async function* executeEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ExecuteEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pieces: string[] = [];
  try {
    for (;;) {
      const chunk = await next(reader);
      if (chunk === null) throw new BrokenStreamError("the stream ended without a result");
      const [first = "", ...rest] = decoder.decode(chunk, { stream: true }).split("\n");
      pieces.push(first);
      for (const piece of rest) {
        const event = parse(pieces.join(""));
        pieces = [piece];
        yield event;
        if (event.kind === "result") return;
      }
    }
  } finally {
    // Ends the action when it is still running: nobody waits for its result any more.
    await reader.cancel().catch(() => undefined);
  }
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | null> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new BrokenStreamError(`nothing came for ${SILENCE_MS} ms`)), SILENCE_MS);
  try {
    const { value, done } = await Promise.race([reader.read(), silence]);
    return done ? null : value;
  } catch (error) {
    if (error instanceof BrokenStreamError) throw error;
    throw new BrokenStreamError("the connection was lost", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function parse(line: string): ExecuteEvent {
  try {
    return executeEvent.parse(JSON.parse(line));
  } catch (error) {
    throw new BrokenStreamError("a line is not an event", { cause: error });
  }
}
