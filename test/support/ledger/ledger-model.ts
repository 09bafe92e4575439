export interface Entry {
  readonly seq: number;
  /** What its writer calls it. */
  readonly id: string;
  readonly cell: number;
  readonly value: string | null;
}

/** What the cells of the fixture's `ledger.ts` held after each write, told by the answers to the writes alone. */
export class LedgerModel {
  readonly #entries = new Map<number, Entry>();
  readonly #cells = new Map<number, Entry[]>();
  readonly #heads = new Map<bigint, number>();
  readonly problems: string[] = [];
  #known = 0;

  /** Everything up to this write is known. */
  get known(): number {
    return this.#known;
  }

  get entries(): readonly Entry[] {
    return [...this.#entries.values()].toSorted((a, b) => a.seq - b.seq);
  }

  record({ seq, id, cell, value }: Entry): void {
    const entry: Entry = { seq, id, cell, value };
    const recorded = this.#entries.get(seq);
    if (recorded !== undefined) {
      if (JSON.stringify(recorded) !== JSON.stringify(entry)) {
        this.problems.push(`${JSON.stringify(recorded)} and ${JSON.stringify(entry)} are one write`);
      }
      return;
    }
    this.#entries.set(seq, entry);
    const writes = this.#cells.get(cell) ?? [];
    this.#cells.set(
      cell,
      [...writes, entry].toSorted((a, b) => a.seq - b.seq),
    );
    while (this.#entries.has(this.#known + 1)) this.#known += 1;
  }

  valueAt(cell: number, seq: number): string | null {
    return this.#cells.get(cell)?.findLast((entry) => entry.seq <= seq)?.value ?? null;
  }

  /** Cells from `from` to `end` that are not empty, in order. */
  cellsAt(from: number, end: number, seq: number): [cell: number, value: string][] {
    const found: [number, string][] = [];
    for (const cell of this.#cells.keys()) {
      const value = cell >= from && cell <= end ? this.valueAt(cell, seq) : null;
      if (value !== null) found.push([cell, value]);
    }
    return found.toSorted(([a], [b]) => a - b);
  }

  /** Somebody was told that `seq` is the last write at this timestamp. */
  sawHead(ts: bigint, seq: number): void {
    const before = this.#heads.get(ts);
    if (before !== undefined && before !== seq) this.problems.push(`at ${ts} the last write is ${before} and ${seq}`);
    this.#heads.set(ts, seq);
  }

  /** Timestamps are in the order of the writes they show. */
  checkHeads(): void {
    let last = 0;
    for (const [ts, seq] of [...this.#heads].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (seq < last) this.problems.push(`${seq} is the last write at ${ts}, and ${last} was before`);
      last = seq;
    }
  }
}
