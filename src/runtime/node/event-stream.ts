import { type ExecuteEvent, executeEvent } from "../../protocol/node-actions.ts";

/** The service went away, or speaks another language: what it was asked for may have run in part. */
export class BrokenStreamError extends Error {
  override readonly name = "BrokenStreamError";
}

/** The service sends a line far more often than that. */
const SILENCE_MS = 60_000;

/**
 * Events of an answer of `/execute`, up to and with its result. Throws `BrokenStreamError` when it ends before. Left
 * earlier, it ends the action: nobody waits for its result any more.
 */
export async function* executeEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ExecuteEvent, void> {
  const reader = new ChunkReader(body);
  const decoder = new TextDecoder();
  let pieces: string[] = [];
  let ended = false;
  try {
    for (;;) {
      const chunk = await reader.next();
      if (chunk === null) throw new BrokenStreamError("the stream ended without a result");
      const [first = "", ...rest] = decoder.decode(chunk, { stream: true }).split("\n");
      pieces.push(first);
      for (const piece of rest) {
        const event = parse(pieces.join(""));
        pieces = [piece];
        if (event.kind === "result") {
          // Read to its end, the connection serves the next action.
          ended = (await reader.next().catch(brokenAfterResult)) === null;
          yield event;
          return;
        }
        yield event;
      }
    }
  } finally {
    await reader.close(ended);
  }
}

/** As `executeEvents`, of an answer that came whole because its action took no time: one read instead of a stream. */
export async function wholeEvents(response: Response): Promise<readonly ExecuteEvent[]> {
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    throw new BrokenStreamError("the connection was lost", { cause: error });
  }
  const events = text.split("\n").flatMap((line) => (line === "" || line === STARTED ? [] : [parse(line)]));
  if (events.at(-1)?.kind !== "result") throw new BrokenStreamError("the answer ended without a result");
  return events;
}

/** Says nothing that whoever has the whole answer doesn't know. */
const STARTED = '{"kind":"started"}';

/** One timer for a whole stream: an action's answer is a few chunks, and a timer for each would show. */
class ChunkReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #silence = Promise.withResolvers<never>();
  readonly #timer: ReturnType<typeof setInterval>;
  #heard = false;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
    this.#silence.promise.catch(() => undefined);
    this.#timer = setInterval(() => {
      if (!this.#heard) this.#silence.reject(new BrokenStreamError(`nothing came for ${SILENCE_MS} ms`));
      this.#heard = false;
    }, SILENCE_MS);
  }

  async next(): Promise<Uint8Array | null> {
    try {
      const { value, done } = await Promise.race([this.#reader.read(), this.#silence.promise]);
      this.#heard = true;
      return done ? null : value;
    } catch (error) {
      if (error instanceof BrokenStreamError) throw error;
      throw new BrokenStreamError("the connection was lost", { cause: error });
    }
  }

  async close(ended: boolean): Promise<void> {
    clearInterval(this.#timer);
    if (!ended) await this.#reader.cancel().catch(() => undefined);
  }
}

/** There is a result: how its connection ends is of no concern. */
function brokenAfterResult(error: unknown): undefined {
  if (error instanceof BrokenStreamError) return undefined;
  throw error;
}

function parse(line: string): ExecuteEvent {
  try {
    return executeEvent.parse(JSON.parse(line));
  } catch (error) {
    throw new BrokenStreamError("a line is not an event", { cause: error });
  }
}
