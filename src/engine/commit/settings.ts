/** Settings of commit order. Each is a setting of the deployment. */
export interface CommitSettings {
  /** Bytes of documents, index ranges and recent writes kept in memory, approximately. */
  readonly memoryBytes: number;
  /** Mutations whose user code runs at the same time. */
  readonly maxConcurrent: number;
  /** Follows the text that refuses one more. */
  readonly concurrencyNote: string;
  /** Mutations that wait for their turn; one more is refused. */
  readonly maxQueued: number;
  readonly queueTimeoutMs: number;
  /** Runs after the first one, when others changed what it read. */
  readonly maxRetries: number;
  readonly backoffInitialMs: number;
  readonly backoffMaxMs: number;
  /** A group that is not durable after this long answers its callers with a retryable error; storing goes on. */
  readonly commitStallMs: number;
  /** Wait before an identical batch is sent again: from the first value, doubling, up to the second. */
  readonly resendInitialMs: number;
  readonly resendMaxMs: number;
  /**
   * Milliseconds that a group may wait for mutations that are still running. It waits only while more of them join,
   * and not at all when none is under way.
   */
  readonly gatherMs: number;
  /** Soft bound on the document bytes of one group. */
  readonly groupBytes: number;
  /** How far ahead of the newest timestamp the high-water mark is stored. */
  readonly reserveMs: number;
  /** Answers remembered in memory for clients that send a mutation twice. */
  readonly recentOutcomes: number;
  /** `null`: no limit (E-C-11). */
  readonly writeBytesPerSecond: number | null;
  /** Follows its text. */
  readonly writeRateNote: string;
}

export const DEFAULT_COMMIT_SETTINGS: CommitSettings = {
  memoryBytes: 64 * 1024 * 1024,
  maxConcurrent: 256,
  concurrencyNote: "",
  maxQueued: 2_000,
  queueTimeoutMs: 5_000,
  maxRetries: 4,
  backoffInitialMs: 100,
  backoffMaxMs: 2_000,
  commitStallMs: 10_000,
  resendInitialMs: 50,
  resendMaxMs: 5_000,
  gatherMs: 0,
  groupBytes: 8 * 1024 * 1024,
  reserveMs: 1_000,
  recentOutcomes: 4_096,
  writeBytesPerSecond: null,
  writeRateNote: "",
};
