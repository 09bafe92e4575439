import { FunctionClient } from "./function-client.ts";

/** Document of `_scheduled_functions`. */
export interface Job {
  readonly _id: string;
  readonly _creationTime: number;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly scheduledTime: number;
  readonly completedTime?: number;
  readonly state: { readonly kind: string; readonly error?: string };
}

export interface Event {
  readonly tag: string;
  readonly at: number;
  readonly detail: unknown;
}

const FINAL: ReadonlySet<string> = new Set(["success", "failed", "canceled"]);
const PAUSE_MS = 20;

/** The fixture `scheduler-app` as its tests see it. */
export class Jobs {
  readonly client: FunctionClient;

  constructor(url: string) {
    this.client = new FunctionClient(url);
  }

  schedule(name: string, args: unknown, when: { readonly after?: unknown; readonly at?: unknown } = {}) {
    return this.client.mutation<string>("jobs:schedule", { name, args, ...when });
  }

  scheduleFromAction(name: string, args: unknown, when: { readonly after?: unknown; readonly at?: unknown } = {}) {
    return this.client.action<string>("jobs:scheduleFromAction", { name, args, ...when });
  }

  job(id: string): Promise<Job | null> {
    return this.client.query<Job | null>("jobs:job", { id });
  }

  /** The job once its state is final. */
  async over(id: string): Promise<Job> {
    return this.until(id, ({ state }) => FINAL.has(state.kind));
  }

  async until(id: string, reached: (job: Job) => boolean): Promise<Job> {
    return eventually(async () => {
      const job = await this.job(id);
      if (job === null) throw new Error(`job ${id} is gone`);
      return reached(job) ? job : null;
    });
  }

  events(run: string): Promise<readonly Event[]> {
    return this.client.query<readonly Event[]>("jobs:events", { run });
  }

  async tags(run: string): Promise<readonly string[]> {
    return (await this.events(run)).map(({ tag }) => tag);
  }

  /** How many jobs are due and not over. */
  async unfinished(): Promise<number> {
    const all = await this.client.query<readonly Job[]>("jobs:jobs");
    const now = Date.now();
    return all.filter(({ state, scheduledTime }) => !FINAL.has(state.kind) && scheduledTime <= now).length;
  }

  /** Resolves when the events of a run are these many. */
  eventCount(run: string, count: number): Promise<readonly Event[]> {
    return eventually(async () => {
      const events = await this.events(run);
      return events.length >= count ? events : null;
    });
  }
}

/** Asks until there is an answer. The test's own time limit ends it. */
export async function eventually<T>(ask: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
