import { allDocuments } from "../engine/all-documents.ts";
import { CRON_JOBS } from "../engine/due-queue.ts";
import type { SystemContext } from "../runtime/scheduling/job-table.ts";
import { changedCronJob, cronName, declaredCrons, isSameSpec, newCronJob } from "./cron-jobs.ts";

/**
 * Makes `_cron_jobs` what the active app declares: new jobs get their first time, changed ones a new one, the others
 * keep theirs (P-S-10). Changes nothing when nothing is to be changed. The jobs themselves look at the app too, so
 * what a push removed never runs again, whenever this happens.
 */
export async function syncCrons({ transaction, deployment, now }: SystemContext): Promise<number> {
  const { app, catalog } = deployment;
  const components = new Set(Object.keys(app?.version.components ?? {}));
  for (const table of catalog.tables()) if (table.name === CRON_JOBS) components.add(table.component);
  let changes = 0;
  for (const component of components) {
    const missing = new Map(declaredCrons(app, component));
    const table = transaction.tables.named(component, CRON_JOBS);
    for (const { id, document } of table === null ? [] : await allDocuments(transaction, table)) {
      const name = cronName(document);
      const spec = missing.get(name);
      missing.delete(name);
      if (table === null || (spec !== undefined && isSameSpec(document, spec))) continue;
      const changed = spec === undefined ? null : changedCronJob(document, spec, now);
      await transaction.system.replace(table, id, changed);
      changes += 1;
    }
    for (const [name, spec] of missing) {
      const created = transaction.systemTable(component, CRON_JOBS);
      transaction.system.insert(created, newCronJob(component, name, spec, now));
      changes += 1;
    }
  }
  return changes;
}
