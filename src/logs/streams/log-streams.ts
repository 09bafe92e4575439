import type { AuditEvent, LogRecord } from "../../protocol/function-log.ts";
import type { LogStreamSettings } from "../../protocol/log-streams.ts";
import type { Log } from "../../shared/log.ts";
import type { Random } from "../../shared/random.ts";
import { EventQueue, type EventQueueParts } from "./event-queue.ts";
import { StreamEvents } from "./events.ts";
import { isUncaught, sentryEnvelope } from "./exceptions.ts";
import { type Fetch, sentry, webhook } from "./receiver.ts";

export interface LogStreamPorts extends Pick<EventQueueParts, "pause" | "jitter" | "keepAlive"> {
  readonly fetch: Fetch;
  readonly random: Random;
  readonly log: Log;
}

/** What the function log passes on: every event to a webhook, uncaught errors to Sentry, as far as they are set. */
export class LogStreams {
  readonly #settings: LogStreamSettings;
  readonly #random: Random;
  readonly #events: StreamEvents;
  readonly #webhook: EventQueue | null;
  readonly #sentry: EventQueue | null;

  constructor(settings: LogStreamSettings, ports: LogStreamPorts) {
    this.#settings = settings;
    this.#random = ports.random;
    this.#events = new StreamEvents(settings.about);
    this.#webhook =
      settings.webhook === null
        ? null
        : new EventQueue({ ...ports, name: "webhook", deliver: webhook(settings.webhook, ports.fetch) });
    this.#sentry =
      settings.sentry === null
        ? null
        : new EventQueue({
            ...ports,
            name: "sentry",
            deliver: sentry(settings.sentry, ports.fetch),
            limits: { events: 1000, batchEvents: 1 },
          });
  }

  append(records: readonly LogRecord[]): void {
    this.#webhook?.add(
      records.flatMap((record) => this.#events.ofRecord(record).map((event) => JSON.stringify(event))),
    );
    if (this.#sentry === null) return;
    for (const record of records) {
      if (record.kind !== "Completion" || !isUncaught(record.completion)) continue;
      this.#sentry.add([sentryEnvelope(record.completion, this.#settings.about, this.#random)]);
    }
  }

  audit(events: readonly AuditEvent[]): void {
    this.#webhook?.add(events.map((event) => JSON.stringify(this.#events.ofAudit(event))));
  }
}
