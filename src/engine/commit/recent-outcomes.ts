import { GenerationalCache } from "./generational-cache.ts";

/** Longest answer kept; storage has the others. Characters. */
const MAX_LENGTH = 64 * 1024;

/** Answers of recently stored mutations, for clients that send one again. */
export class RecentOutcomes {
  readonly #answers: GenerationalCache<string>;

  constructor(max: number) {
    this.#answers = new GenerationalCache(max);
  }

  get(key: string): string | undefined {
    return this.#answers.get(key);
  }

  set(key: string, answer: string): void {
    if (answer.length <= MAX_LENGTH) this.#answers.set(key, answer, 1);
  }
}
