import type { Timestamp } from "../engine/timestamp.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { CatalogCommit, CatalogCommitter } from "./ports.ts";

/** Mutations that create tables change the catalog too, so a change may have to be computed anew a few times. */
const ATTEMPTS = 20;

/** Computes a change from the present catalog until it commits. `null` = there is nothing to change. */
export async function commitWithRetry(
  committer: CatalogCommitter,
  compute: () => Promise<CatalogCommit | null>,
): Promise<Timestamp | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const commit = await compute();
    if (commit === null) return null;
    const result = await committer.commitCatalog(commit);
    if (result.ok) return result.ts;
  }
  throw new CodedError("Overloaded", "CatalogContention", "Tables are being created too fast. Try again later.");
}
