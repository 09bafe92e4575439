import type { FaultKind } from "../../support/proof/faulty-binding.ts";

/** What a test sets and reads, by `/proof/controls`. The Worker and its Durable Objects share it locally. */
export interface Controls {
  /** Loader ids asked for so far. */
  readonly loaderIds: Set<string>;
  /** Throw-away isolates made so far. */
  loads: number;
  /** Probability that one call of D1 fails, and the ways it may. A seed that is set begins the draws anew. */
  faultSeed: number;
  faultProbability: number;
  faultKinds: readonly FaultKind[];
  /** Batches that the Worker, not the Transactor, may still send before the next one is held back. */
  letThrough: number;
  heldReads: number;
  /** Pushes of commits that the next ones to a Sync object, by its name, get lost. */
  lostPushes: Readonly<Record<string, number>>;
  /** Timestamps of the transactions that reached a Sync object, by push or from the log, as they came. */
  readonly delivered: Record<string, number[]>;
  /** How often a Sync object has begun with empty memory. */
  readonly lives: Record<string, number>;
  /** Shards of the deployment from the next such time on, as after a change of the setting. */
  syncShards: number | null;
  /** Answers of the Transactor to the Scheduler that get lost: it has marked the job as started or run it. */
  loseJobAnswers: number;
  /** Actions of the Scheduler whose connection is lost: before they start, or while they run. */
  loseActions: readonly ("before" | "while")[];
}

export const controls: Controls = {
  loaderIds: new Set(),
  loads: 0,
  faultSeed: 1,
  faultProbability: 0,
  faultKinds: [],
  letThrough: Infinity,
  heldReads: 0,
  lostPushes: {},
  delivered: {},
  lives: {},
  syncShards: null,
  loseJobAnswers: 0,
  loseActions: [],
};
