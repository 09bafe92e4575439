import { waitUntil } from "cloudflare:workers";
import type { Jitter } from "../engine/commit/ports.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { Random } from "../shared/random.ts";

/** The real clock, randomness and log of a Worker: what everything below the composition root is handed. */

export const clock: Clock = { now: () => Date.now() };

export const random: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

export const jitter: Jitter = () => Math.random();

/** Lets work of the request that is running end after its answer. */
export const keepAlive = (work: Promise<unknown>): void => waitUntil(work);

/** Any time at all will do: workerd looks at its sockets only when nothing in the process is ready to run. */
const PAUSE_MS = 1;

/** Lets other requests have their turn. */
export const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

export const log: Log = {
  info: (event, fields) => console.log(JSON.stringify({ level: "info", event, ...fields })),
  warn: (event, fields) => console.warn(JSON.stringify({ level: "warn", event, ...fields })),
  error: (event, error, fields) =>
    console.error(JSON.stringify({ level: "error", event, error: describe(error), ...fields })),
};

/** An error whole: with its stack and everything that caused it. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { stack, message, cause } = error;
  return cause === undefined ? (stack ?? message) : { error: stack ?? message, cause: describe(cause) };
}
