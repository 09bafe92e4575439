import type { IndexRow } from "../engine/persistence.ts";
import type { DeployPorts } from "./ports.ts";

/** One step of building, so that whoever has a deadline (ms) is not late by much. */
const STEP_MS = 2_000;

/** Works on the indexes that are not of the database type until they are complete or the deadline has passed. */
export async function buildDerived(
  indexes: readonly IndexRow[],
  { derivedIndexes, clock }: Pick<DeployPorts, "derivedIndexes" | "clock">,
  deadline: number,
): Promise<boolean> {
  for (const { id: indexId, tableId, definition } of indexes) {
    if (definition.type === "database") continue;
    for (let complete = false; !complete;) {
      const budget = Math.min(STEP_MS, deadline - clock.now());
      if (budget <= 0) return false;
      complete = await derivedIndexes.build({ indexId, tableId, definition }, budget);
    }
  }
  return true;
}
