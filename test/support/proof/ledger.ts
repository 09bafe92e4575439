import { expect } from "vitest";
import type { Answer } from "./caller.ts";

export interface Entry {
  readonly client: string;
  readonly seq: number;
  readonly half: string;
  readonly amount: number;
  /** `_creationTime`. */
  readonly at: number;
}

/** What `work:everything` of the fixture app answers. */
export interface Everything {
  readonly table: readonly Entry[];
  readonly byClient: readonly Entry[];
  readonly byAmount: readonly Entry[];
  readonly byId: readonly Entry[];
  readonly progress: readonly { readonly client: string; readonly last: number; readonly total: number }[];
}

export interface WorkArgs {
  readonly client: string;
  readonly seq: number;
  readonly amount: number;
}

/**
 * Remembers what clients sent and what they were told, and compares it with what is stored. Each `work:*` mutation
 * writes four documents in two tables; a client's calls follow each other, those of several clients do not.
 */
export class Ledger {
  readonly #sent = new Map<string, { readonly args: WorkArgs; kind: "ok" | "never" | "unknown" }>();
  readonly #nextSeq = new Map<string, number>();
  /** Creation times by client and number: a version never changes its own. */
  readonly #times = new Map<string, number>();
  foundUnacknowledged = 0;

  get acknowledged(): number {
    return [...this.#sent.values()].filter(({ kind }) => kind === "ok").length;
  }

  async call(client: string, amount: number, send: (args: WorkArgs) => Promise<Answer>): Promise<Answer["kind"]> {
    const seq = (this.#nextSeq.get(client) ?? 0) + 1;
    this.#nextSeq.set(client, seq);
    const args = { client, seq, amount };
    const sent: { readonly args: WorkArgs; kind: "ok" | "never" | "unknown" } = { args, kind: "unknown" };
    this.#sent.set(`${client}#${seq}`, sent);
    const answer = await send(args);
    if (answer.kind === "ok") sent.kind = "ok";
    if (answer.kind === "failed") throw new Error(`The mutation threw: ${answer.message}`);
    if (answer.kind === "refused") {
      // Only answers that ask to try again: nothing is wrong with the call.
      expect([429, 503], JSON.stringify(answer)).toContain(answer.status);
      if (!answer.unknown) sent.kind = "never";
    }
    return answer.kind;
  }

  check({ table, byClient, byAmount, byId, progress }: Everything): void {
    const stored = new Map(table.map((entry) => [`${entry.client}#${entry.seq}#${entry.half}`, entry]));
    expect(stored.size, "an entry is stored twice").toBe(table.length);
    this.#checkSent(stored);
    this.#checkProgress(table, progress);

    // Every index holds what the table holds, in its own order.
    const key = (entry: Entry) => JSON.stringify(entry);
    const all = table.map(key).toSorted();
    for (const rows of [byClient, byAmount, byId]) expect(rows.map(key).toSorted()).toEqual(all);
    expect(byAmount.map(({ amount }) => amount)).toEqual(table.map(({ amount }) => amount).toSorted((a, b) => a - b));
    expect(byClient.map(({ client }) => client)).toEqual(byClient.map(({ client }) => client).toSorted());
    // The table is scanned in the order of `_creationTime`.
    for (let i = 1; i < table.length; i++) expect(table[i]?.at).toBeGreaterThanOrEqual(table[i - 1]?.at ?? 0);
    this.#checkTimes(stored);
  }

  #checkSent(stored: ReadonlyMap<string, Entry>): void {
    this.foundUnacknowledged = 0;
    let found = 0;
    for (const [name, { args, kind }] of this.#sent) {
      const a = stored.get(`${name}#a`);
      const b = stored.get(`${name}#b`);
      if (kind === "ok") expect(a, `${name} was acknowledged and is gone`).toBeDefined();
      if (kind === "never") expect(a, `${name} was refused and is stored`).toBeUndefined();
      expect(b === undefined, `${name} is half stored`).toBe(a === undefined);
      if (a === undefined) continue;
      found += 1;
      if (kind !== "ok") this.foundUnacknowledged += 1;
      expect([a.amount, b?.amount]).toEqual([args.amount, -args.amount]);
    }
    expect(stored.size, "something is stored that nobody sent").toBe(2 * found);
  }

  #checkProgress(table: readonly Entry[], progress: Everything["progress"]): void {
    const expected = new Map<string, { last: number; total: number }>();
    let [count, sum] = [0, 0];
    for (const { client, seq, half, amount } of table) {
      if (half !== "a") continue;
      const before = expected.get(client) ?? { last: 0, total: 0 };
      expected.set(client, { last: Math.max(before.last, seq), total: before.total + amount });
      count += 1;
      sum += amount;
    }
    if (count > 0) expected.set("everybody", { last: count, total: sum });
    expect(new Map(progress.map(({ client, ...rest }) => [client, rest]))).toEqual(expected);
  }

  /** Of one client's calls the later has the later time, across crashes too. */
  #checkTimes(stored: ReadonlyMap<string, Entry>): void {
    const lastOf = new Map<string, number>();
    for (const [name, { args }] of this.#sent) {
      const entry = stored.get(`${name}#a`);
      if (entry === undefined) continue;
      expect(entry.at).toBeGreaterThan(lastOf.get(args.client) ?? 0);
      lastOf.set(args.client, entry.at);
      expect(this.#times.get(name) ?? entry.at, `_creationTime of ${name} has changed`).toBe(entry.at);
      this.#times.set(name, entry.at);
    }
  }
}
