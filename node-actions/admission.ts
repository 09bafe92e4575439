import { Refusal } from "./refusal.ts";

export interface AdmissionSettings {
  readonly executions: number;
  readonly queueMs: number;
  readonly queueLength: number;
}

interface Waiting {
  readonly admit: () => void;
}

/** Actions at once. The next one waits in order, for a bounded time, and is then refused (E-C-7). */
export class Admission {
  readonly #settings: AdmissionSettings;
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(settings: AdmissionSettings) {
    this.#settings = settings;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** The place is given back by calling what is returned, once. */
  async enter(): Promise<() => void> {
    if (this.#running < this.#settings.executions) this.#running++;
    else await this.#turn();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave();
    };
  }

  #turn(): Promise<void> {
    if (this.#waiting.size >= this.#settings.queueLength) return Promise.reject(this.#refusal());
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        admit: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(this.#refusal());
      }, this.#settings.queueMs);
      this.#waiting.add(waiting);
    });
  }

  /** The place goes to the one that waited longest. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#waiting.delete(next);
    next.admit();
  }

  #refusal(): Refusal {
    const message = `Too many concurrent requests. Your backend is limited to ${this.#settings.executions} concurrent Node actions. [CONVECTION_NODE_EXECUTIONS=${this.#settings.executions}]`;
    return new Refusal(429, "TooManyConcurrentRequests", message, { retryable: true });
  }
}
