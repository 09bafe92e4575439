/** Limits of one transaction (`features.md` §2.0, "Transactions"). Settings of the deployment. Bytes and counts. */
export interface TransactionLimits {
  readonly documentsRead: number;
  readonly bytesRead: number;
  /** Index ranges read: each `db.get` and each query counts one. */
  readonly databaseQueries: number;
  readonly documentsWritten: number;
  readonly bytesWritten: number;
  readonly functionsScheduled: number;
  readonly scheduledFunctionArgsBytes: number;
  /** Files that a mutation itself stores and reads. */
  readonly filesWritten: number;
  readonly fileWriteBytes: number;
  readonly filesRead: number;
  readonly fileReadBytes: number;
}

export type Metric = keyof TransactionLimits;

/** What follows the error text of a limit of the deployment; a caller's own budget has no note. */
export type TransactionLimitNotes = Readonly<Partial<Record<Metric, string>>>;

/** In the order in which warnings are logged. */
export const METRICS = [
  "documentsRead",
  "databaseQueries",
  "bytesRead",
  "documentsWritten",
  "bytesWritten",
  "functionsScheduled",
  "scheduledFunctionArgsBytes",
  "filesWritten",
  "fileWriteBytes",
  "filesRead",
  "fileReadBytes",
] as const satisfies readonly Metric[];

export const DEFAULT_TRANSACTION_LIMITS: TransactionLimits = {
  documentsRead: 32_000,
  bytesRead: 16 * 1024 * 1024,
  databaseQueries: 4_096,
  documentsWritten: 16_000,
  bytesWritten: 16 * 1024 * 1024,
  functionsScheduled: 1_000,
  scheduledFunctionArgsBytes: 16 * 1024 * 1024,
  filesWritten: 100,
  fileWriteBytes: 16 * 1024 * 1024,
  filesRead: 100,
  fileReadBytes: 16 * 1024 * 1024,
};
