/** What a deployment is billed for, as far as calls decide it. */
export interface Costs {
  /** Batches sent to D1. */
  roundTrips: number;
  /** D1's own counters, the same ones that production bills by. */
  rowsRead: number;
  rowsWritten: number;
  /** Characters of JSON that D1 answered with. */
  bytesAnswered: number;
  /** Size of the database after the last batch. */
  databaseBytes: number;
  /** Distinct ids that the Worker Loader was asked for. */
  loaderIds: string[];
}

export function newCosts(): Costs {
  return { roundTrips: 0, rowsRead: 0, rowsWritten: 0, bytesAnswered: 0, databaseBytes: 0, loaderIds: [] };
}
