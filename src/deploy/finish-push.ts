import { Catalog } from "../engine/catalog.ts";
import type { AppVersion } from "../protocol/app.ts";
import { must } from "../shared/assert.ts";
import { badRequest } from "../shared/coded-error.ts";
import { loadLastPush, schemasOf } from "./active-app.ts";
import { environmentDigests } from "./environment.ts";
import { checkRequired } from "./environment-declarations.ts";
import { flipChange } from "./flip.ts";
import type { OpenHistory } from "./history.ts";
import { pushEvent } from "./push-event.ts";
import type { DeployPorts } from "./ports.ts";
import type { FinishPushBody } from "./push-body.ts";
import { EMPTY_PUSH_DIFF, pushDiff } from "./push-diff.ts";
import { concurrentPush, raceDetected } from "./push-error.ts";
import type { PushTicket } from "./push-token.ts";
import { pushState } from "./push-plan.ts";
import { PushWork } from "./push-work.ts";
import { diffSchemas, type SchemaDiff } from "./schema-diff.ts";
import { tablesToWalk } from "./schema-validation.ts";
import { loadPushBase, type PushBase } from "./start-push.ts";

/**
 * Makes the push take effect in one commit. When it returns, no Worker isolate runs the previous version for a new
 * call. Sent twice, it is answered twice and done once.
 */
export async function finishPush(body: FinishPushBody, ports: DeployPorts): Promise<object> {
  const ticket = await ports.tokens.verify(body.startPush.schemaChange.pushToken);
  if (body.dryRun) return EMPTY_PUSH_DIFF;
  const next = must(await ports.code.app(ticket.version), `app version ${ticket.version}`);
  const deadline = ports.clock.now() + ports.settings.finishTimeoutMs;
  const history = await ports.history.begin();
  do {
    const base = await loadPushBase(ports);
    const state = pushState(base.rows, ticket);
    if (state === "finished") return await repeatedAnswer(base, next, ports);
    if (state === "outdated") throw concurrentPush();
    await checkEnvironment(ticket, next, base, ports);

    const opened = await PushWork.open(ports, ticket, next, base.active?.app ?? null);
    if (opened.state !== "open") continue;
    const diff = await flip(ticket, next, opened.work, deadline, ports, history);
    if (diff === null) continue;
    await ports.history.record();
    await ports.waitForLeases();
    ports.log.info("push finished", { version: next.version, previous: base.active?.version ?? null });
    ports.startBackground();
    return pushDiff(base.active?.app ?? null, next, diff);
  } while (ports.clock.now() < deadline);
  throw raceDetected("Documents and tables change too fast for this push to finish. It is started again.");
}

/** Null when the catalog has moved on and everything has to be looked at again. */
async function flip(
  ticket: PushTicket,
  next: AppVersion,
  work: PushWork,
  deadline: number,
  ports: DeployPorts,
  history: OpenHistory,
): Promise<SchemaDiff | null> {
  do {
    const result = await work.run(deadline);
    if (typeof result === "object") throw badRequest("SchemaValidationFailed", result.message);
    if (result === "outdated") return null;
    if (result === "inProgress") continue;

    const { rows, active } = await loadPushBase(ports);
    if (pushState(rows, ticket) !== "open") return null;
    const previous = active?.app ?? null;
    const catalog = new Catalog(rows);
    const diff = diffSchemas(catalog, schemasOf(next));
    if (!isReady(diff, catalog, next, previous, work)) return null;
    const change = await flipChange(ticket, next, previous, rows, catalog, diff, ports);
    if (change === null) return diff;
    const told = history.changes(rows.values, [pushEvent(pushDiff(previous, next, diff))]);
    const committed = await ports.committer.commitCatalog({
      change: { ...change, values: [...(change.values ?? []), ...told] },
      expectedCatalogTs: rows.head.catalogTs,
      ...(work.validated.length === 0 ? {} : { unwrittenSince: { ts: work.checkedUpTo, tables: work.validated } }),
    });
    if (committed.ok) return diff;
    if (committed.reason === "catalogChanged") return null;
    // Documents were written since the last catching up: catch up again.
  } while (ports.clock.now() < deadline);
  return null;
}

/** A mutation may have created a table meanwhile, whose indexes and documents nobody has looked at. */
function isReady(
  diff: SchemaDiff,
  catalog: Catalog,
  next: AppVersion,
  previous: AppVersion | null,
  work: PushWork,
): boolean {
  const built = [...diff.added, ...diff.enabled].every(
    ({ wanted, row }) =>
      wanted.staged ||
      (row === null ? catalog.table(wanted.component, wanted.table) === undefined : row.state !== "backfilling"),
  );
  const walked = new Set(work.validated);
  const toWalk = tablesToWalk(catalog, schemasOf(next), previous === null ? new Map() : schemasOf(previous));
  return built && toWalk.every((table) => walked.has(table.id));
}

async function checkEnvironment(
  ticket: PushTicket,
  next: AppVersion,
  base: PushBase,
  ports: DeployPorts,
): Promise<void> {
  const { all } = await environmentDigests(base.environment, ports.cipher);
  if (all !== ticket.environment) throw raceDetected("Environment variables changed during push.");
  checkRequired(next.components[""]?.declaredEnvironment ?? {}, base.environment);
}

async function repeatedAnswer(base: PushBase, next: AppVersion, ports: DeployPorts): Promise<object> {
  const last = must(loadLastPush(base.rows.values), "last push");
  const previous = last.previousVersion === null ? null : await ports.code.app(last.previousVersion);
  await ports.waitForLeases();
  return pushDiff(previous, next, null);
}
