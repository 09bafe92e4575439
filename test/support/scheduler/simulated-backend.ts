import type { IndexKey } from "../../../src/engine/names.ts";
import type { LostPhase, RunJobAnswer } from "../../../src/protocol/scheduling.ts";
import { Dispatcher, type DispatcherSettings } from "../../../src/scheduler/dispatcher.ts";
import { lostReason } from "../../../src/scheduler/lost-reason.ts";
import type { FunctionCall } from "../../../src/protocol/execution.ts";
import { SILENT_LOG } from "./silent-log.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";
import type { SimulatedTime } from "./simulated-time.ts";

export interface Faults {
  /** Of a call: it is lost before or after it took effect. */
  readonly lostCall: number;
  readonly lostNotice: number;
  readonly lostAlarm: number;
  readonly doubleAlarm: number;
  readonly lateAlarm: number;
  /** Mean milliseconds between crashes of everything but the database. */
  readonly crashEveryMs: number;
}

export interface Ledger {
  /** Effects of mutations that are stored, by job. */
  readonly effects: Map<string, number>;
  /** Starts of actions. */
  readonly starts: Map<string, number>;
  crashes: number;
}

/** What a run of the function at this path does, how long it takes, and whether it throws. */
export interface SimulatedFunctions {
  isAction(path: string): boolean;
  milliseconds(path: string): number;
  throws(path: string): boolean;
}

/** One life of Scheduler, Transactor and Workers. Whatever was under way when it ends never goes on. */
interface Life {
  alive: boolean;
  alarm: number | null;
  dispatcher: Dispatcher;
}

/**
 * The real dispatcher and the real rules in a world where calls, notices and alarms get lost, doubled and delayed, and
 * where everything but the database dies at random moments.
 */
export class SimulatedBackend {
  readonly #time: SimulatedTime;
  readonly #database: SimulatedDatabase;
  readonly #random: SeededRandom;
  readonly #faults: Faults;
  readonly #functions: SimulatedFunctions;
  readonly #settings: DispatcherSettings;
  readonly ledger: Ledger = { effects: new Map(), starts: new Map(), crashes: 0 };
  #life: Life;
  mostRunning = 0;

  constructor(parts: {
    readonly time: SimulatedTime;
    readonly database: SimulatedDatabase;
    readonly random: SeededRandom;
    readonly faults: Faults;
    readonly functions: SimulatedFunctions;
    readonly settings: DispatcherSettings;
  }) {
    this.#time = parts.time;
    this.#database = parts.database;
    this.#random = parts.random;
    this.#faults = parts.faults;
    this.#functions = parts.functions;
    this.#settings = parts.settings;
    this.#life = this.#newLife();
    parts.database.onDue = (keys) => {
      const life = this.#life;
      if (this.#random.chance(this.#faults.lostNotice)) return;
      this.#later(life, () => life.dispatcher.notify(keys));
    };
    this.#watch();
    this.#scheduleCrash();
  }

  /** No crash and no fault from now on. */
  calm(): void {
    Object.assign(this.#faults, { lostCall: 0, lostNotice: 0, lostAlarm: 0, doubleAlarm: 0, crashEveryMs: 0 });
  }

  #newLife(): Life {
    const life: Partial<Life> = { alive: true, alarm: null };
    const call = <T>(effect: () => T): Promise<T> => this.#call(life as Life, effect);
    life.dispatcher = new Dispatcher(
      {
        due: (limit) => call(() => this.#database.due(limit)),
        runJob: (key, phase) => this.#runJob(life as Life, key, phase),
        runAction: (key, action) => this.#runAction(life as Life, key, action),
        alarm: { set: (at) => this.#setAlarm(life as Life, at) },
        clock: this.#time,
        log: SILENT_LOG,
        jitter: () => this.#random.next(),
      },
      this.#settings,
    );
    return life as Life;
  }

  /** One call over the network: some of them fail, before or after they took effect. */
  async #call<T>(life: Life, effect: () => T): Promise<T> {
    const lost = this.#random.chance(this.#faults.lostCall);
    await this.#sleep(life, 1 + this.#random.below(5));
    if (lost && this.#random.chance(0.5)) throw new Error("lost before");
    const result = effect();
    await this.#sleep(life, 1);
    if (lost) throw new Error("lost after");
    return result;
  }

  async #runJob(life: Life, key: IndexKey, phase: LostPhase): Promise<RunJobAnswer> {
    this.mostRunning = Math.max(this.mostRunning, life.dispatcher.running);
    const { ledger } = this;
    const step = await this.#call(life, () => this.#database.step(key, this.#time.now()));
    switch (step?.kind) {
      case "change":
        await this.#call(life, () => this.#database.settle(key, this.#time.now()));
        return { kind: "done" };
      case "started": {
        const lost = { ok: false, error: lostReason(phase) } as const;
        await this.#call(life, () => this.#database.finish(key, "started", lost, this.#time.now()));
        return { kind: "done" };
      }
      case "run":
        break;
      default:
        return { kind: "done" };
    }
    const { path, args, context } = step.run;
    const name = `${path.module}:${path.function}`;
    const action: FunctionCall = {
      path,
      args,
      context: { ...context, requestId: key },
      identity: { kind: "system" },
      visibility: "internal",
    };
    if (this.#functions.isAction(name)) {
      const started = await this.#call(life, () => this.#database.start(key, this.#time.now()));
      return started ? { kind: "action", call: action } : { kind: "done" };
    }
    const throws = this.#functions.throws(name);
    await this.#sleep(life, this.#functions.milliseconds(name));
    await this.#call(life, () =>
      this.#database.finish(
        key,
        "run",
        throws ? { ok: false, error: "thrown" } : { ok: true },
        this.#time.now(),
        throws ? () => {} : () => add(ledger.effects, key),
      ),
    );
    return { kind: "done" };
  }

  async #runAction(life: Life, key: IndexKey, { path }: FunctionCall): Promise<void> {
    const name = `${path.module}:${path.function}`;
    await this.#call(life, () => add(this.ledger.starts, key));
    await this.#sleep(life, this.#functions.milliseconds(name));
    const result = this.#functions.throws(name) ? ({ ok: false, error: "thrown" } as const) : ({ ok: true } as const);
    await this.#call(life, () => this.#database.finish(key, "started", result, this.#time.now()));
  }

  #setAlarm(life: Life, at: number): void {
    life.alarm = at;
    const late = this.#random.chance(this.#faults.lateAlarm) ? this.#random.below(30_000) : 0;
    this.#time.at(at + late, () => {
      if (!life.alive || life.alarm !== at || this.#random.chance(this.#faults.lostAlarm)) return;
      life.alarm = null;
      life.dispatcher.wake(true);
      if (this.#random.chance(this.#faults.doubleAlarm)) life.dispatcher.wake(true);
    });
  }

  /** The minute's tick of the platform. */
  #watch(): void {
    this.#time.at(this.#time.now() + 60_000, () => {
      this.#life.dispatcher.wake(false);
      this.#watch();
    });
  }

  #scheduleCrash(): void {
    const { crashEveryMs } = this.#faults;
    if (crashEveryMs === 0) return;
    this.#time.at(this.#time.now() + 1 + this.#random.below(2 * crashEveryMs), () => {
      if (this.#faults.crashEveryMs === 0) return;
      this.#life.alive = false;
      this.ledger.crashes += 1;
      const life = this.#newLife();
      this.#life = life;
      // Half of the time somebody comes at once, otherwise the minute's tick does.
      if (this.#random.chance(0.5)) this.#later(life, () => life.dispatcher.wake(false));
      this.#scheduleCrash();
    });
  }

  #later(life: Life, run: () => void): void {
    this.#time.at(this.#time.now() + 1, () => {
      if (life.alive) run();
    });
  }

  /** Never resolves once the life is over. */
  #sleep(life: Life, ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#time.at(this.#time.now() + ms, () => {
        if (life.alive) resolve();
      });
    });
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
