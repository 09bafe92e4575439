import type {
  AuditEvent,
  ExecutionLog,
  FunctionCompletion,
  FunctionProgress,
  LogBatch,
  LogRecord,
  LogRequest,
} from "../protocol/function-log.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import { appendText, type AuditRequest, type LogsStub } from "./messages.ts";

export interface LogClientParts {
  /** Makes a new one: one that threw is dead. */
  readonly stub: () => LogsStub;
  /** Lets work end after the answer of the request that is running now. */
  readonly keepAlive: (work: Promise<void>) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Waits a moment for more records; a timer unless a test says otherwise. */
  readonly gather?: () => Promise<void>;
}

/** Records that wait for the one sending at a time. More are dropped and counted. */
const MAX_WAITING = 2000;
const BATCH = 500;

/** How long records wait for others: a call of the log's object costs as much as a small query. */
const GATHER_MS = 20;

/** A sending that shows no progress for this long went away with its request; the next record starts another. */
const STALLED_MS = 5000;

/**
 * The function log as the isolates that run functions see it. Recording costs a push to an array: one request at a
 * time sends what gathers in a moment, after its own answer, and everything that comes meanwhile goes with the next batch.
 */
export class LogClient implements ExecutionLog {
  readonly #parts: LogClientParts;
  #waiting: LogRecord[] = [];
  #dropped = 0;
  /** When the sending that is under way last began a batch. */
  #sendingSince: number | null = null;

  constructor(parts: LogClientParts) {
    this.#parts = parts;
  }

  progress(progress: FunctionProgress): void {
    if (progress.logLines.length > 0) this.#record({ kind: "Progress", progress });
  }

  completed(completion: FunctionCompletion): void {
    this.#record({ kind: "Completion", completion });
  }

  async read(request: LogRequest): Promise<LogBatch> {
    // The shape is the object's own.
    return JSON.parse(await this.#parts.stub().read(JSON.stringify({ ...request, v: 1 }))) as LogBatch;
  }

  /** Rare, so it gathers nothing. */
  audit(events: readonly AuditEvent[]): void {
    const { stub, keepAlive, log } = this.#parts;
    const request: AuditRequest = { v: 1, events };
    const told = stub().audit(JSON.stringify(request));
    // The history itself has them.
    keepAlive(told.catch((error: unknown) => log.warn("logs.lost", { audit: events.length, reason: String(error) })));
  }

  #record(record: LogRecord): void {
    if (this.#waiting.length >= MAX_WAITING) this.#dropped++;
    else this.#waiting.push(record);
    const since = this.#sendingSince;
    if (since === null || this.#parts.clock.now() - since > STALLED_MS) this.#parts.keepAlive(this.#send());
  }

  async #send(): Promise<void> {
    const { stub, clock, log, gather = aMoment } = this.#parts;
    const started = clock.now();
    let since = started;
    while (this.#waiting.length > 0) {
      this.#sendingSince = since = clock.now();
      await gather();
      const records = this.#waiting.splice(0, BATCH);
      try {
        await stub().append(appendText(records));
      } catch (error) {
        // The log is a convenience: what it can't take is lost, and the functions go on.
        log.warn("logs.lost", { records: records.length, reason: String(error) });
      }
      // Another request took over.
      if (this.#sendingSince !== since) return;
    }
    this.#sendingSince = null;
    if (this.#dropped > 0) {
      log.warn("logs.dropped", { records: this.#dropped });
      this.#dropped = 0;
    }
  }
}

function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, GATHER_MS));
}
