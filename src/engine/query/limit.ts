import type { Operator } from "./operator.ts";

/** Lets the first rows pass. */
export class Limit implements Operator {
  #remaining: number;

  constructor(count: number) {
    this.#remaining = count;
  }

  get remaining(): number {
    return this.#remaining;
  }

  admit(): boolean {
    this.#remaining--;
    return true;
  }

  rewind(remaining: number): void {
    this.#remaining = remaining;
  }
}
