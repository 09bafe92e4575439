import { DurableObject } from "cloudflare:workers";
import type { Clock } from "../shared/clock.ts";
import { LogBuffer } from "./log-buffer.ts";
import { type LogsStub, parseAppend, parseAudit, parseRead, parseRecords } from "./messages.ts";
import type { LogStreams } from "./streams/log-streams.ts";

/**
 * The function log of a deployment: a Durable Object of which all isolates use the one named `"logs"`, so that a
 * reader sees what ran anywhere. What it holds is gone when the platform evicts it, some time after the last request.
 */
export abstract class LogsObject<Env> extends DurableObject<Env> implements LogsStub {
  readonly #buffer = new LogBuffer(this.clock());

  readonly #streams = this.streams();

  protected abstract clock(): Clock;
  /** Null when there are none: then records are not even parsed. */
  protected abstract streams(): LogStreams | null;

  append(requestJson: string): Promise<void> {
    const appended = parseAppend(requestJson);
    this.#buffer.appendText(appended);
    this.#streams?.append(parseRecords(appended.text));
    return Promise.resolve();
  }

  audit(requestJson: string): Promise<void> {
    this.#streams?.audit(parseAudit(requestJson).events);
    return Promise.resolve();
  }

  async read(requestJson: string): Promise<string> {
    return JSON.stringify(await this.#buffer.read(parseRead(requestJson)));
  }
}
