import { DurableObject } from "cloudflare:workers";
import type { Clock } from "../shared/clock.ts";
import { LogBuffer } from "./log-buffer.ts";
import { type LogsStub, parseAppend, parseRead } from "./messages.ts";

/**
 * The function log of a deployment: a Durable Object of which all isolates use the one named `"logs"`, so that a
 * reader sees what ran anywhere. What it holds is gone when the platform evicts it, some time after the last request.
 */
export abstract class LogsObject<Env> extends DurableObject<Env> implements LogsStub {
  readonly #buffer = new LogBuffer(this.clock());

  protected abstract clock(): Clock;

  append(requestJson: string): Promise<void> {
    this.#buffer.appendText(parseAppend(requestJson));
    return Promise.resolve();
  }

  async read(requestJson: string): Promise<string> {
    return JSON.stringify(await this.#buffer.read(parseRead(requestJson)));
  }
}
