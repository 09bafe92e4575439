import type { Clock } from "../../shared/clock.ts";
import { expiredInQueue, queueFull, tooManyConcurrentMutations } from "./errors.ts";
import type { Timers } from "./ports.ts";

/** Functions whose lane is remembered while nobody is in it. */
const MAX_FUNCTIONS = 1_000;

export interface LaneSettings {
  readonly maxConcurrent: number;
  /** Follows the text of the refusal. */
  readonly concurrencyNote: string;
  readonly maxQueued: number;
  readonly queueTimeoutMs: number;
}

/** Permission to run. `leave` exactly once. */
export interface Turn {
  leave(): void;
}

/** Calls that run one at a time. Functions that conflict with each other share one. */
class Lane {
  readonly waiting: Waiter[] = [];
  readonly functions = new Set<string>();
  active = 0;
}

interface Waiter {
  readonly lane: Lane | null;
  readonly deadline: number;
  readonly grant: (turn: Turn) => void;
  readonly refuse: (error: Error) => void;
  /** `lane` → `ready` → `done`. In `lane` it waits for the calls before it, in `ready` for a slot. */
  state: "lane" | "ready" | "done";
}

/**
 * Who may run user code, and when: a bounded number of slots, a bounded queue before them, and serial lanes for
 * functions whose concurrent calls would only make each other run again.
 *
 *     enter ─ in a lane? ─ yes ─► lane, one at a time ─┐
 *                 └─ no ───────────────────────────────┴─► ready ─► slot ─► leave
 */
export class Lanes {
  readonly #settings: LaneSettings;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #laneOf = new Map<string, Lane>();
  /** Lanes with somebody in them, those included that no function enters any more. */
  readonly #occupied = new Set<Lane>();
  readonly #ready: Waiter[] = [];
  #running = 0;
  #queued = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(settings: LaneSettings, clock: Clock, timers: Timers) {
    this.#settings = settings;
    this.#clock = clock;
    this.#timers = timers;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#queued;
  }

  /**
   * `serial`: take turns with the other calls of the function's lane. `front`: go before those that wait, for a
   * call that has already lost a run. Rejects when the queue is full or the wait too long.
   */
  enter(functionName: string, serial: boolean, front: boolean): Promise<Turn> {
    // A lost run keeps its place in the system: it was admitted once.
    if (!front && this.#queued >= this.#settings.maxQueued) return Promise.reject(queueFull());
    const lane = serial ? this.#lane(functionName) : null;
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        lane,
        deadline: this.#clock.now() + this.#settings.queueTimeoutMs,
        grant: resolve,
        refuse: reject,
        state: "lane",
      };
      this.#queued += 1;
      if (lane !== null && lane.active > 0) {
        if (front) lane.waiting.unshift(waiter);
        else lane.waiting.push(waiter);
      } else {
        this.#makeReady(waiter, front);
      }
      if (lane !== null) this.#occupied.add(lane);
      this.#dispatch();
      if (this.#queued > 0) this.#startTimer();
    });
  }

  /** From now on the serial calls of both functions take turns with each other; who already waits is not moved. */
  join(a: string, b: string): void {
    const kept = this.#lane(a);
    const other = this.#laneOf.get(b);
    if (other === kept) return;
    for (const name of other?.functions ?? [b]) {
      kept.functions.add(name);
      this.#laneOf.set(name, kept);
    }
  }

  #lane(functionName: string): Lane {
    let lane = this.#laneOf.get(functionName);
    if (lane === undefined) {
      if (this.#laneOf.size >= MAX_FUNCTIONS) this.#forgetIdle();
      lane = new Lane();
      lane.functions.add(functionName);
      this.#laneOf.set(functionName, lane);
    }
    return lane;
  }

  #makeReady(waiter: Waiter, front: boolean): void {
    waiter.state = "ready";
    if (waiter.lane !== null) waiter.lane.active += 1;
    if (front) this.#ready.unshift(waiter);
    else this.#ready.push(waiter);
  }

  #dispatch(): void {
    while (this.#running < this.#settings.maxConcurrent) {
      const waiter = this.#ready.shift();
      if (waiter === undefined) return;
      if (waiter.state === "done") continue;
      waiter.state = "done";
      this.#queued -= 1;
      this.#running += 1;
      let left = false;
      waiter.grant({
        leave: () => {
          if (left) throw new Error("A turn was left twice");
          left = true;
          this.#running -= 1;
          this.#leaveLane(waiter.lane);
          this.#dispatch();
          if (this.#queued === 0) this.#stopTimer();
        },
      });
    }
  }

  #leaveLane(lane: Lane | null): void {
    if (lane === null) return;
    lane.active -= 1;
    while (lane.active === 0) {
      const next = lane.waiting.shift();
      if (next === undefined) {
        this.#occupied.delete(lane);
        return;
      }
      // It has waited its turn; new arrivals do not go before it.
      if (next.state !== "done") this.#makeReady(next, true);
    }
  }

  #forgetIdle(): void {
    for (const [name, lane] of this.#laneOf) if (!this.#occupied.has(lane)) this.#laneOf.delete(name);
  }

  #startTimer(): void {
    this.#cancelTimer ??= this.#timers.after(this.#settings.queueTimeoutMs / 4, () => {
      this.#cancelTimer = null;
      this.#expire();
      if (this.#queued > 0) this.#startTimer();
    });
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #expire(): void {
    const now = this.#clock.now();
    const overdue = this.#ready.filter((waiter) => waiter.state === "ready" && waiter.deadline <= now);
    for (const waiter of overdue) {
      this.#drop(waiter, tooManyConcurrentMutations(this.#settings.maxConcurrent, this.#settings.concurrencyNote));
      this.#leaveLane(waiter.lane);
    }
    for (const lane of this.#occupied) {
      for (const waiter of lane.waiting) {
        if (waiter.state === "lane" && waiter.deadline <= now) this.#drop(waiter, expiredInQueue());
      }
    }
    this.#dispatch();
  }

  #drop(waiter: Waiter, error: Error): void {
    waiter.state = "done";
    this.#queued -= 1;
    waiter.refuse(error);
  }
}
