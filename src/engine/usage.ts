import { must } from "../shared/assert.ts";
import { limitError } from "./limit-texts.ts";
import { METRICS, type Metric, type TransactionLimitNotes, type TransactionLimits } from "./limits.ts";

export type Usage = Readonly<Record<Metric, number>>;

/** What a roll-back gives back. Reads stay counted. */
const WRITE_METRICS = [
  "bytesWritten",
  "documentsWritten",
  "functionsScheduled",
  "scheduledFunctionArgsBytes",
  "filesWritten",
  "fileWriteBytes",
] as const satisfies readonly Metric[];

interface Scope {
  /** Total usage that must not be exceeded while the scope is innermost. */
  readonly ceilings: TransactionLimits;
  /** The same limits as the scope's function sees them, which error texts name. */
  readonly shown: TransactionLimits;
  readonly before: Usage;
}

/**
 * Counts what a transaction uses and refuses more than its limits. Nested calls may have budgets of their own, which
 * stack: each is a ceiling of what is used so far plus the budget, never above the ceiling around it.
 */
export class UsageMeter {
  readonly #used: Record<Metric, number> = emptyUsage();
  readonly #scopes: Scope[];
  readonly #notes: TransactionLimitNotes | undefined;

  constructor(limits: TransactionLimits, notes?: TransactionLimitNotes) {
    this.#scopes = [{ ceilings: limits, shown: limits, before: emptyUsage() }];
    this.#notes = notes;
  }

  get used(): Usage {
    return this.#used;
  }

  /** Limits in force for the whole transaction. */
  get limits(): TransactionLimits {
    return must(this.#scopes[0], "outermost scope").ceilings;
  }

  remaining(metric: Metric): number {
    return this.#scope.ceilings[metric] - this.#used[metric];
  }

  metrics(): Record<Metric, { readonly used: number; readonly remaining: number }> {
    return eachMetric((metric) => ({ used: this.#used[metric], remaining: this.remaining(metric) }));
  }

  /** One index range. */
  chargeQuery(): void {
    this.#charge("databaseQueries", 1);
  }

  /** One document scanned. The charge stays when it is refused, so that a function can't go on reading in spite of it. */
  chargeRead(bytes: number): void {
    this.#used.documentsRead += 1;
    this.#used.bytesRead += bytes;
    this.#check("documentsRead");
    this.#check("bytesRead");
  }

  canRead(bytes: number): boolean {
    return this.remaining("documentsRead") >= 1 && this.remaining("bytesRead") >= bytes;
  }

  /** Rows that were fetched ahead and never reached user code. */
  refundReads(documents: number, bytes: number): void {
    this.#used.documentsRead -= documents;
    this.#used.bytesRead -= bytes;
  }

  /** One document written; refused before it counts, since the write does not happen. `bytes` is 0 for a deletion. */
  chargeWrite(bytes: number): void {
    this.#refuseBeyond("documentsWritten", 1);
    this.#refuseBeyond("bytesWritten", bytes);
    this.#used.documentsWritten += 1;
    this.#used.bytesWritten += bytes;
  }

  chargeScheduled(argsBytes: number): void {
    this.#refuseBeyond("functionsScheduled", 1);
    this.#refuseBeyond("scheduledFunctionArgsBytes", argsBytes);
    this.#used.functionsScheduled += 1;
    this.#used.scheduledFunctionArgsBytes += argsBytes;
  }

  /** Refused before the bytes are stored. */
  chargeFileWrite(bytes: number): void {
    this.#refuseBeyond("filesWritten", 1);
    this.#refuseBeyond("fileWriteBytes", bytes);
    this.#used.filesWritten += 1;
    this.#used.fileWriteBytes += bytes;
  }

  /** Refused before the bytes are read. */
  chargeFileRead(bytes: number): void {
    this.#refuseBeyond("filesRead", 1);
    this.#refuseBeyond("fileReadBytes", bytes);
    this.#used.filesRead += 1;
    this.#used.fileReadBytes += bytes;
  }

  /** `budget` members that are missing leave the limits as they are. */
  enter(budget: Partial<TransactionLimits>): void {
    const { ceilings: outer, shown } = this.#scope;
    const own = (metric: Metric) => this.#used[metric] + (budget[metric] ?? Number.POSITIVE_INFINITY);
    this.#scopes.push({
      ceilings: eachMetric((metric) => Math.min(outer[metric], own(metric))),
      shown: eachMetric((metric) => (own(metric) < outer[metric] ? (budget[metric] ?? shown[metric]) : shown[metric])),
      before: { ...this.#used },
    });
  }

  leave(outcome: "kept" | "rolledBack"): void {
    const scope = must(this.#scopes.length > 1 ? this.#scopes.pop() : undefined, "scope to leave");
    if (outcome === "kept") return;
    for (const metric of WRITE_METRICS) this.#used[metric] = scope.before[metric];
  }

  get #scope(): Scope {
    return must(this.#scopes.at(-1), "scope");
  }

  #charge(metric: Metric, amount: number): void {
    this.#used[metric] += amount;
    this.#check(metric);
  }

  #check(metric: Metric): void {
    this.#refuseBeyond(metric, 0);
  }

  #refuseBeyond(metric: Metric, extra: number): void {
    const { ceilings, shown } = this.#scope;
    if (this.#used[metric] + extra <= ceilings[metric]) return;
    const note = shown[metric] === this.limits[metric] ? this.#notes?.[metric] : undefined;
    throw limitError(metric, shown[metric], note);
  }
}

function emptyUsage(): Record<Metric, number> {
  return eachMetric(() => 0);
}

function eachMetric<T>(value: (metric: Metric) => T): Record<Metric, T> {
  const entries = METRICS.map((metric) => [metric, value(metric)] as const);
  // One entry for each member of the type.
  return Object.fromEntries(entries) as Record<Metric, T>;
}
