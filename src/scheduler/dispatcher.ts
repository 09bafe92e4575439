import { logBackgroundFailure } from "../shared/background-failure.ts";
import { parseDueKey } from "../engine/due-queue.ts";
import type { IndexKey } from "../engine/names.ts";
import type { FunctionCall } from "../protocol/execution.ts";
import type { LostPhase, RunJobAnswer } from "../protocol/scheduling.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import { Alarm, type AlarmStorage } from "./alarm.ts";
import { Waiting } from "./waiting.ts";

export interface DispatcherSettings {
  /** Jobs that run at once. */
  readonly parallelism: number;
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
}

export interface DispatcherPorts {
  /** First keys of the queue, running jobs included. */
  due(limit: number): Promise<readonly IndexKey[]>;
  /** Rejects when it is not known what became of the job; asking again is safe. */
  runJob(key: IndexKey, phase: LostPhase): Promise<RunJobAnswer>;
  /** Resolves when the end of the action is recorded. Rejects when the action was lost. */
  runAction(key: IndexKey, call: FunctionCall): Promise<void>;
  readonly alarm: AlarmStorage;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly jitter: () => number;
}

/** Keys read beyond those that are known already. */
const CHUNK = 256;

/** While there is work, an alarm is never further away than this: it finds what a crash left behind. */
const SAFETY_MS = 60_000;

/** While the deployment is paused, this often a job is tried, should nobody tell that the pause is over. */
const HELD_MS = 60_000;

interface Running {
  readonly key: IndexKey;
  /** The same document is due once more: a cron job whose next time has come already. */
  again: IndexKey | null;
}

interface Retry {
  readonly key: IndexKey;
  readonly phase: LostPhase;
  readonly attempts: number;
  readonly at: number;
}

/**
 * Hands out due jobs, oldest first, so many at a time. All it knows is a memory of the queue in the database: what is
 * forgotten is found there again, and what is handed out twice is refused by the transaction that runs it.
 *
 *     commits ─ notice ─► waiting ─ a free place ─► running ─► gone │ again │ later (back-off)
 *     queue ─── look ───────┘                                              │
 *       └── first that is not due yet ─► alarm ◄───────────────────────────┘
 */
export class Dispatcher {
  readonly #ports: DispatcherPorts;
  readonly #settings: DispatcherSettings;
  readonly #alarm: Alarm;
  readonly #waiting = new Waiting();
  readonly #running = new Map<string, Running>();
  readonly #retries = new Map<string, Retry>();
  /** Whether the queue may hold due jobs that are not known here. */
  #more = true;
  #looking = false;
  /** The deployment is paused: nothing is started before this time. */
  #heldUntil = 0;
  /** Pauses that ended, so that an answer from before the end holds nothing up. */
  #resumptions = 0;

  constructor(ports: DispatcherPorts, settings: DispatcherSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#alarm = new Alarm(ports.alarm, ports.clock);
  }

  get running(): number {
    return this.#running.size;
  }

  /** Jobs that a commit added; none: look what is due. */
  notify(keys: readonly IndexKey[]): void {
    if (keys.length === 0) this.#more = true;
    const now = this.#ports.clock.now();
    for (const key of keys) this.#learn(key, now);
    this.#pump();
  }

  /** The alarm went off, or somebody who does not know better asks. */
  wake(alarmFired: boolean): void {
    if (alarmFired) this.#alarm.fired();
    this.#more = true;
    this.#pump();
  }

  /** A pause of the deployment is over. */
  resume(): void {
    this.#resumptions++;
    this.#heldUntil = 0;
    this.wake(false);
  }

  /** For something else that the object has to do. */
  alarmBy(at: number): void {
    this.#alarm.by(at);
  }

  #learn(key: IndexKey, now: number): void {
    const { dueAt } = parseDueKey(key);
    if (dueAt > now) {
      this.#alarm.by(dueAt);
      return;
    }
    const id = jobId(key);
    const running = this.#running.get(id);
    if (running !== undefined) {
      if (running.key !== key) running.again = key;
      return;
    }
    if (this.#retries.has(id)) return;
    // Older ones that are not known here come first.
    if (this.#more || !this.#waiting.add(id, key)) this.#more = true;
  }

  #pump(): void {
    if (this.#heldUntil > this.#ports.clock.now()) {
      this.#alarm.by(this.#heldUntil);
      return;
    }
    this.#wakeRetries();
    while (this.#running.size < this.#settings.parallelism) {
      const key = this.#waiting.take();
      if (key === null) break;
      this.#start(key, "unknown", 0);
    }
    if (this.#more && this.#running.size < this.#settings.parallelism) void this.#look();
    if (this.#running.size > 0 || this.#more) this.#alarm.by(this.#ports.clock.now() + SAFETY_MS);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    // Who notices something meanwhile asks for another look.
    this.#more = false;
    try {
      const limit = this.#running.size + this.#retries.size + this.#waiting.size + CHUNK;
      const keys = await this.#ports.due(limit);
      const now = this.#ports.clock.now();
      const noticed = this.#more;
      this.#more = false;
      for (const key of keys) this.#learn(key, now);
      const last = keys.at(-1);
      const allDue = keys.length === limit && last !== undefined && parseDueKey(last).dueAt <= now;
      this.#more ||= noticed || allDue;
      this.#looking = false;
      this.#pump();
    } catch (error) {
      this.#looking = false;
      this.#more = true;
      logBackgroundFailure(this.#ports.log, "scheduler.look", error);
      this.#alarm.by(this.#ports.clock.now() + this.#settings.retryInitialMs);
    }
  }

  #start(key: IndexKey, phase: LostPhase, attempts: number): void {
    const id = jobId(key);
    const running: Running = { key, again: null };
    this.#running.set(id, running);
    void this.#run(key, phase, attempts).then((retry) => {
      this.#running.delete(id);
      if (retry !== null) {
        this.#retries.set(id, retry);
        this.#alarm.by(retry.at);
      } else if (running.again !== null) {
        this.#learn(running.again, this.#ports.clock.now());
      }
      this.#pump();
    });
  }

  /** Never rejects. Not null: to be asked about again. */
  async #run(key: IndexKey, phase: LostPhase, attempts: number): Promise<Retry | null> {
    const { log, clock } = this.#ports;
    const resumptions = this.#resumptions;
    let answer: RunJobAnswer;
    try {
      answer = await this.#ports.runJob(key, phase);
    } catch (error) {
      logBackgroundFailure(log, "scheduler.run", error, { key, attempts });
      const at = clock.now() + this.#backoff(attempts);
      // Whether it is marked as started is not known; if it is, the order to start it never came.
      return { key, phase: phase === "running" ? phase : "starting", attempts: attempts + 1, at };
    }
    if (answer.kind === "done") return null;
    if (answer.kind === "held") {
      // It is found again in the queue.
      this.#more = true;
      if (resumptions === this.#resumptions) this.#heldUntil = clock.now() + HELD_MS;
      return null;
    }
    try {
      await this.#ports.runAction(key, answer.call);
      return null;
    } catch (error) {
      log.error("scheduler.lost", error, { key });
      return { key, phase: "running", attempts: 0, at: clock.now() };
    }
  }

  #wakeRetries(): void {
    const now = this.#ports.clock.now();
    for (const [id, { key, phase, attempts, at }] of this.#retries) {
      if (this.#running.size >= this.#settings.parallelism) return;
      if (at > now) {
        this.#alarm.by(at);
        continue;
      }
      this.#retries.delete(id);
      this.#start(key, phase, attempts);
    }
  }

  #backoff(attempts: number): number {
    const { retryInitialMs, retryMaxMs } = this.#settings;
    return Math.min(retryMaxMs, retryInitialMs * 2 ** Math.min(attempts, 16)) * (0.5 + 0.5 * this.#ports.jitter());
  }
}

/** Table and document: what a job keeps when its time changes. */
function jobId(key: IndexKey): string {
  const { tableId, id } = parseDueKey(key);
  return `${tableId}:${id}`;
}
