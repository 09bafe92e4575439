import { z } from "zod";
import type { InternalId } from "../engine/names.ts";
import type { AuditEvent } from "../protocol/function-log.ts";
import type { SystemMutation } from "../runtime/scheduling/job-table.ts";
import { parsedMutation } from "../runtime/scheduling/parsed-mutation.ts";
import { toHex } from "../shared/bytes.ts";
import type { Clock } from "../shared/clock.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import type { Log } from "../shared/log.ts";
import type { Random } from "../shared/random.ts";
import { allocateInternalId } from "../values/document-id.ts";
import { encodeInt64 } from "../values/special-value.ts";

/** Hidden from apps: a document for each change that an admin has made to the deployment. */
export const DEPLOYMENT_EVENTS = "_deployment_audit_log";

const RECORD_OP = "history.record";

/** Of what is in the table now: `fresh` says that it was not before. A Transactor of another version tells ids alone. */
const recordedEvents = z.array(
  z.union([
    z.string().transform((id) => ({ id, fresh: null })),
    z.object({
      id: z.string(),
      fresh: z.object({ at: z.number(), action: z.string(), metadata: z.record(z.string(), z.json()) }).nullable(),
    }),
  ]),
);

/** Catalog value: events of changes that took effect and are not in the table yet, or were not a moment ago. */
const PENDING_EVENTS = "pendingEvents";

/** Characters of an event at most. It waits among the values of the catalog, which every isolate loads. */
export const MAX_EVENT = 64 * 1024;

const pendingEvents = z.array(
  z.object({
    // Drawn by whoever made the change.
    id: z.string().transform((id) => id as InternalId),
    at: z.number(),
    action: z.string(),
    metadata: z.record(z.string(), z.json()),
  }),
);

/** As the dashboard names it and shows it. */
export interface DeploymentEvent {
  readonly action: string;
  readonly metadata: JsonObject;
}

type Values = ReadonlyMap<string, JsonValue>;

/** Admins have no names here: all of them are one member. */
const ADMIN = encodeInt64(0n);

export interface HistoryPorts {
  /** Runs an operation of the Transactor. */
  readonly run: (op: string, args: JsonObject) => Promise<JsonValue>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Hears of each event once, after it was recorded; at most once when something fails then. */
  readonly tell?: (events: readonly AuditEvent[]) => void;
}

/**
 * What admins have done. An event is never lost and never there twice, whatever fails:
 *
 *   change ─ one commit: what changes, and its event among those that wait ─► record ─ into the table, by its id
 *                                                                    (fails) └─► before the next change
 */
export class History {
  readonly #ports: HistoryPorts;

  constructor(ports: HistoryPorts) {
    this.#ports = ports;
  }

  /** Begins a change: what waits from the changes before it is recorded. */
  async begin(): Promise<OpenHistory> {
    return new OpenHistory(this.#ports, await this.#record());
  }

  /** After a change. What fails here waits for the next one. */
  async record(): Promise<void> {
    await this.#record();
  }

  async #record(): Promise<ReadonlySet<string>> {
    const { run, log, tell } = this.#ports;
    try {
      const recorded = recordedEvents.parse(await run(RECORD_OP, tell === undefined ? {} : { events: true }));
      const fresh = recorded.flatMap((event) => event.fresh ?? []);
      if (fresh.length > 0) tell?.(fresh);
      return new Set(recorded.map(({ id }) => id));
    } catch (error) {
      log.warn("history.waits", { reason: String(error) });
      return new Set();
    }
  }
}

/** Of a change under way. */
export class OpenHistory {
  readonly #ports: Pick<HistoryPorts, "clock" | "random">;
  readonly #recorded: ReadonlySet<string>;

  constructor(ports: Pick<HistoryPorts, "clock" | "random">, recorded: ReadonlySet<string>) {
    this.#ports = ports;
    this.#recorded = recorded;
  }

  /** The part of a change that tells of it. `values`: those of the catalog that the change was computed from. */
  changes(values: Values, events: readonly DeploymentEvent[]): readonly { key: string; value: JsonValue | null }[] {
    const { clock, random } = this.#ports;
    const waiting = loadPending(values).filter(({ id }) => !this.#recorded.has(id));
    const added = events.map(({ action, metadata }) => ({
      id: toHex(allocateInternalId(random, clock)),
      at: clock.now(),
      action,
      metadata,
    }));
    const all: readonly JsonObject[] = [...waiting, ...added];
    return [{ key: PENDING_EVENTS, value: all.length === 0 ? null : all }];
  }
}

function loadPending(values: Values): z.output<typeof pendingEvents> {
  return pendingEvents.parse(values.get(PENDING_EVENTS) ?? []);
}

const record = parsedMutation(z.object({ events: z.boolean().optional() }), async (context, { events = false }) => {
  const { transaction, deployment } = context;
  const waiting = loadPending(deployment.catalog.values);
  if (waiting.length === 0) return [];
  const table = transaction.systemTable("", DEPLOYMENT_EVENTS);
  const fresh = new Set<string>();
  for (const { id, at, action, metadata } of waiting) {
    if ((await transaction.system.get(table, id)) !== null) continue;
    fresh.add(id);
    transaction.system.restore(table, { _creationTime: at, action, member_id: ADMIN, metadata }, id);
  }
  if (!events) return waiting.map(({ id }) => id);
  return waiting.map(({ id, ...event }) => ({ id, fresh: fresh.has(id) ? event : null }));
});

/** What the Transactor does for the history. */
export const HISTORY_WORK: Readonly<Record<string, SystemMutation>> = { [RECORD_OP]: record };
