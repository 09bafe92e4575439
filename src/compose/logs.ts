import { LogsObject } from "../logs/logs-object.ts";
import { LogStreams } from "../logs/streams/log-streams.ts";
import { parseLogStreams } from "../protocol/log-streams.ts";
import type { Bindings } from "./environment.ts";
import { clock, jitter, log, random } from "./system.ts";

/** The Durable Object class that wrangler.toml names. */
export class Logs extends LogsObject<Bindings> {
  protected override clock() {
    return clock;
  }

  protected override streams() {
    const settings = parseLogStreams(this.env);
    if (settings.webhook === null && settings.sentry === null) return null;
    return new LogStreams(settings, {
      fetch: (url, init) => fetch(url, init),
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      jitter,
      keepAlive: (work) => this.ctx.waitUntil(work),
      random,
      log,
    });
  }
}
