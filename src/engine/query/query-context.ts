import type { BatchedReader } from "../batched-reader.ts";
import type { PendingWrites } from "../pending-writes.ts";
import type { UsageMeter } from "../usage.ts";

/** What a query needs of its transaction. */
export interface QueryContext {
  readonly reader: BatchedReader;
  readonly pending: PendingWrites;
  readonly usage: UsageMeter;
}
