/** One small operation of a transaction, as the fixture app runs it, and what it answered. */
export type Operation =
  | { readonly f: "append" | "push" | "mark"; readonly k: string; readonly v: number }
  | { readonly f: "read" | "scan"; readonly k: string }
  | { readonly f: "range" | "max"; readonly k: string; readonly from: number; readonly to: number };

export interface Recorded {
  readonly id: number;
  readonly operations: readonly Operation[];
  /** Result by operation, `null` for writes. Empty unless `fate` is `ok`. */
  readonly results: readonly (readonly number[] | null)[];
  /** `failed`: certainly not stored. `unknown`: perhaps. */
  readonly fate: "ok" | "failed" | "unknown";
  /** When the client sent it and when it had the answer. */
  readonly start: number;
  readonly end: number;
}

export interface Verdict {
  /** Empty: the history is strictly serializable as far as these reads can tell. */
  readonly anomalies: readonly string[];
  readonly transactions: number;
  readonly edges: number;
}

type EdgeKind = "ww" | "wr" | "rw" | "time";

/** Versions of a list in order, and who appended each element. */
interface VersionOrder {
  readonly elements: readonly number[];
  readonly place: ReadonlyMap<number, number>;
}

/**
 * Checks a recorded history of append lists and grow-only sets for strict serializability. Every element is written
 * once, so a read of a list names the versions before it: from the longest read of each list follows the order of
 * its versions, from that who depends on whom (`ww`, `wr`, `rw`), and from the clock who came after whom (`time`).
 * A cycle is an anomaly; so are a read that is no prefix, an element of a failed transaction, and a lost one.
 * Sets have no order, yet a range read depends on what it saw (`wr`) and precedes what it did not see (`rw`).
 */
export function check(history: readonly Recorded[]): Verdict {
  return new Checker(history).verdict();
}

class Checker {
  readonly #history: readonly Recorded[];
  readonly #writers = new Map<string, Recorded>();
  readonly #anomalies: string[] = [];
  readonly #graph = new Graph();

  constructor(history: readonly Recorded[]) {
    this.#history = history;
    for (const transaction of history) {
      for (const operation of transaction.operations) {
        if (!("v" in operation)) continue;
        const name = element(operation.k, operation.v);
        if (this.#writers.has(name)) throw new Error(`${name} is written twice: the history can't be checked`);
        this.#writers.set(name, transaction);
      }
    }
  }

  verdict(): Verdict {
    this.#lists();
    this.#sets();
    this.#realTime();
    for (const cycle of this.#graph.cycles()) this.#anomalies.push(`cycle: ${cycle}`);
    return { anomalies: this.#anomalies, transactions: this.#history.length, edges: this.#graph.size };
  }

  #lists(): void {
    const orders = new Map<string, VersionOrder>();
    const reads = this.#externalListReads();
    for (const { key, values } of reads) {
      if (values.length <= (orders.get(key)?.elements.length ?? -1)) continue;
      orders.set(key, { elements: values, place: new Map(values.map((value, i) => [value, i])) });
    }
    for (const [key, { elements, place }] of orders) {
      if (place.size !== elements.length) this.#anomalies.push(`duplicate elements in ${key}: ${elements.join()}`);
      for (let i = 1; i < elements.length; i++) {
        this.#edge(this.#writer(key, elements[i - 1]), this.#writer(key, elements[i]), "ww");
      }
    }
    for (const { transaction, key, values } of reads) {
      const { elements } = orders.get(key) ?? { elements: [] };
      const wrong = values.findIndex((value, i) => value !== elements[i]);
      if (wrong >= 0) {
        const [saw, order] = [values.join(), elements.join()];
        this.#anomalies.push(`transaction ${transaction.id} read ${key} as ${saw}, which is no prefix of ${order}`);
        continue;
      }
      const last = values.at(-1);
      if (last !== undefined) this.#sawVersion(transaction, key, last, elements[values.length]);
      const next = elements[values.length];
      if (next !== undefined) this.#edge(transaction, this.#writer(key, next), "rw");
    }
    this.#lostElements(orders);
  }

  #sawVersion(reader: Recorded, key: string, last: number, next: number | undefined): void {
    const writer = this.#writer(key, last);
    this.#edge(writer, reader, "wr");
    // G1b: the reader saw a state in the middle of the writer.
    if (next !== undefined && writer !== reader && this.#writer(key, next) === writer) {
      this.#anomalies.push(`transaction ${reader.id} read ${key} in the middle of transaction ${writer?.id}`);
    }
  }

  /** Reads of lists without what the transaction itself had appended before; that part is checked here. */
  #externalListReads() {
    const reads: { transaction: Recorded; key: string; values: readonly number[] }[] = [];
    for (const transaction of this.#history) {
      if (transaction.fate !== "ok") continue;
      const own = new Map<string, number[]>();
      for (const [i, operation] of transaction.operations.entries()) {
        const key = listOf(operation);
        if (key === null) continue;
        const mine = own.get(key) ?? [];
        own.set(key, mine);
        if ("v" in operation) {
          mine.push(operation.v);
          continue;
        }
        const saw = transaction.results[i] ?? [];
        const tail = saw.slice(saw.length - mine.length);
        if (tail.join() !== mine.join()) {
          this.#anomalies.push(
            `transaction ${transaction.id} appended ${mine.join()} to ${key} and then read ${saw.join()}`,
          );
        }
        reads.push({ transaction, key, values: saw.slice(0, saw.length - mine.length) });
      }
    }
    return reads;
  }

  /** Every acknowledged append is in the longest read, if a read began after it was acknowledged. */
  #lostElements(orders: ReadonlyMap<string, VersionOrder>): void {
    const latest = new Map<string, { start: number; seen: ReadonlySet<number> }>();
    for (const transaction of this.#history) {
      if (transaction.fate !== "ok") continue;
      for (const [i, operation] of transaction.operations.entries()) {
        const key = listOf(operation);
        if (key === null || "v" in operation || (latest.get(key)?.start ?? -1) >= transaction.start) continue;
        latest.set(key, { start: transaction.start, seen: new Set(transaction.results[i] ?? []) });
      }
    }
    for (const transaction of this.#history) {
      for (const operation of transaction.operations) {
        const key = listOf(operation);
        if (key === null || !("v" in operation)) continue;
        const observed = orders.get(key)?.place.has(operation.v) === true;
        if (transaction.fate === "failed" && observed) {
          this.#anomalies.push(`${operation.v} of failed transaction ${transaction.id} was read in ${key}`);
        }
        const last = latest.get(key);
        if (transaction.fate === "ok" && last !== undefined && last.start > transaction.end) {
          if (!last.seen.has(operation.v))
            this.#anomalies.push(`${operation.v} of ${transaction.id} is lost in ${key}`);
        }
      }
    }
  }

  #sets(): void {
    const marks = new Map<string, { value: number; writer: Recorded }[]>();
    for (const transaction of this.#history) {
      for (const operation of transaction.operations) {
        if (operation.f !== "mark") continue;
        const group = marks.get(operation.k) ?? [];
        marks.set(operation.k, group);
        group.push({ value: operation.v, writer: transaction });
      }
    }
    const seen = new Set<string>();
    for (const transaction of this.#history) {
      for (const result of transaction.fate === "ok" ? rangeReads(transaction) : []) {
        for (const value of result.values) seen.add(element(result.key, value));
      }
    }
    for (const transaction of this.#history) {
      for (const read of transaction.fate === "ok" ? rangeReads(transaction) : []) {
        this.#rangeRead(transaction, read, marks.get(read.key) ?? [], seen);
      }
    }
  }

  #rangeRead(
    reader: Recorded,
    read: RangeRead,
    marks: readonly { value: number; writer: Recorded }[],
    seen: ReadonlySet<string>,
  ): void {
    const { key, from, to, values } = read;
    if (new Set(values).size !== values.length)
      this.#anomalies.push(`transaction ${reader.id} read duplicates in ${key}`);
    if (values.some((value, i) => i > 0 && value < (values[i - 1] ?? 0))) {
      this.#anomalies.push(`transaction ${reader.id} read ${key} out of order`);
    }
    for (const { value, writer } of marks) {
      if (value < from || value >= to) continue;
      const saw = values.includes(value);
      if (writer === reader) {
        if (read.own.has(value) !== saw) this.#anomalies.push(`transaction ${reader.id} misread its own mark ${value}`);
      } else if (saw) {
        if (writer.fate === "failed") this.#anomalies.push(`${value} of failed transaction ${writer.id} was read`);
        this.#edge(writer, reader, "wr");
      } else if (writer.fate === "ok" || (writer.fate === "unknown" && seen.has(element(key, value)))) {
        this.#edge(reader, writer, "rw");
      }
    }
  }

  /** Who was acknowledged before another was sent comes first. A chain of barriers keeps this linear. */
  #realTime(): void {
    const events = this.#history
      .filter(({ fate }) => fate !== "failed")
      .flatMap((transaction) => [
        { at: transaction.start, order: 1, transaction },
        // Of what is not acknowledged nobody knows when it happened.
        ...(transaction.fate === "ok" ? [{ at: transaction.end, order: 0, transaction }] : []),
      ])
      .toSorted((a, b) => a.at - b.at || b.order - a.order);
    let barrier: string | null = null;
    for (const { order, transaction } of events) {
      if (order === 1) {
        if (barrier !== null) this.#graph.add(barrier, node(transaction), "time");
        continue;
      }
      const next = `after ${transaction.id}`;
      this.#graph.add(node(transaction), next, "time");
      if (barrier !== null) this.#graph.add(barrier, next, "time");
      barrier = next;
    }
  }

  #writer(key: string, value: number | undefined): Recorded | undefined {
    if (value === undefined) return undefined;
    const writer = this.#writers.get(element(key, value));
    if (writer === undefined) this.#anomalies.push(`nobody wrote ${value}, which is in ${key}`);
    return writer;
  }

  #edge(from: Recorded | undefined, to: Recorded | undefined, kind: EdgeKind): void {
    if (from !== undefined && to !== undefined && from !== to) this.#graph.add(node(from), node(to), kind);
  }
}

interface RangeRead {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly values: readonly number[];
  /** Marks in the range that the transaction itself had made before. */
  readonly own: ReadonlySet<number>;
}

function rangeReads({ operations, results }: Recorded): RangeRead[] {
  const own = new Map<string, number[]>();
  const reads: RangeRead[] = [];
  for (const [i, operation] of operations.entries()) {
    if (operation.f === "mark") own.set(operation.k, [...(own.get(operation.k) ?? []), operation.v]);
    if (operation.f !== "range" && operation.f !== "max") continue;
    const values = results[i] ?? [];
    const [largest] = values;
    // The largest of a range says that nothing lies between it and the end, and nothing about what is below.
    const from = operation.f === "max" ? (largest ?? operation.from) : operation.from;
    const mine = (own.get(operation.k) ?? []).filter((value) => value >= from && value < operation.to);
    reads.push({ key: operation.k, from, to: operation.to, values, own: new Set(mine) });
  }
  return reads;
}

/** Lists kept in one document and lists kept as rows are different lists. */
function listOf(operation: Operation): string | null {
  if (operation.f === "append" || operation.f === "read") return operation.k;
  return operation.f === "push" || operation.f === "scan" ? operation.k : null;
}

function element(key: string, value: number): string {
  return `${key}:${value}`;
}

function node({ id }: Recorded): string {
  return String(id);
}

/** Directed graph of transactions and barriers. */
class Graph {
  readonly #edges = new Map<string, Map<string, EdgeKind>>();
  size = 0;

  add(from: string, to: string, kind: EdgeKind): void {
    const out = this.#edges.get(from) ?? new Map<string, EdgeKind>();
    this.#edges.set(from, out);
    if (!this.#edges.has(to)) this.#edges.set(to, new Map());
    if (out.has(to)) return;
    out.set(to, kind);
    this.size += 1;
  }

  /** One cycle of each strongly connected component with more than one node, as text. */
  cycles(): string[] {
    return this.#components()
      .filter((component) => component.length > 1)
      .map((component) => this.#cycleIn(new Set(component)));
  }

  /** Tarjan, without recursion: histories are long. */
  #components(): string[][] {
    const index = new Map<string, number>();
    const low = new Map<string, number>();
    const stack: string[] = [];
    const onStack = new Set<string>();
    const components: string[][] = [];
    for (const root of this.#edges.keys()) {
      if (index.has(root)) continue;
      const work: { node: string; successors: Iterator<string> }[] = [];
      const open = (name: string): void => {
        index.set(name, index.size);
        low.set(name, index.size - 1);
        stack.push(name);
        onStack.add(name);
        work.push({ node: name, successors: (this.#edges.get(name) ?? new Map<string, EdgeKind>()).keys() });
      };
      open(root);
      for (let top = work.at(-1); top !== undefined; top = work.at(-1)) {
        const next = top.successors.next();
        if (next.done !== true) {
          if (!index.has(next.value)) open(next.value);
          else if (onStack.has(next.value)) lower(low, top.node, index.get(next.value));
          continue;
        }
        work.pop();
        const parent = work.at(-1);
        if (parent !== undefined) lower(low, parent.node, low.get(top.node));
        if (low.get(top.node) !== index.get(top.node)) continue;
        const component = stack.splice(stack.lastIndexOf(top.node));
        for (const name of component) onStack.delete(name);
        components.push(component);
      }
    }
    return components;
  }

  /** A shortest way from the first node back to itself. */
  #cycleIn(component: ReadonlySet<string>): string {
    const [start = ""] = component;
    const cameFrom = new Map<string, string>();
    const queue = [start];
    for (const at of queue) {
      for (const next of this.#edges.get(at)?.keys() ?? []) {
        if (!component.has(next) || cameFrom.has(next)) continue;
        cameFrom.set(next, at);
        if (next === start) queue.length = 0;
        else queue.push(next);
      }
      if (cameFrom.has(start)) break;
    }
    const path = [start];
    for (let at = cameFrom.get(start); at !== undefined && at !== start; at = cameFrom.get(at)) path.unshift(at);
    path.unshift(start);
    return path
      .map((name, i) => (i === 0 ? name : `-${this.#edges.get(path[i - 1] ?? "")?.get(name)}-> ${name}`))
      .join(" ");
  }
}

function lower(low: Map<string, number>, name: string, candidate: number | undefined): void {
  low.set(name, Math.min(low.get(name) ?? Infinity, candidate ?? Infinity));
}
