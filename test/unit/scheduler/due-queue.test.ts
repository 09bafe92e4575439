import { expect, test } from "vitest";
import { CRON_JOBS, dueChanges, dueKey, parseDueKey, SCHEDULED_FUNCTIONS } from "../../../src/engine/due-queue.ts";
import type { InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type { TableRow } from "../../../src/engine/persistence.ts";
import type { JsonObject } from "../../../src/shared/json.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const ID = "0123456789ABCDEF0123456789ABCDEF" as InternalId;

function table(name: string, id = 7): TableRow {
  return { id: id as TableId, number: 514 as TableNumber, component: "", name };
}

function write(before: JsonObject | null, after: JsonObject | null) {
  return {
    tableId: 7 as TableId,
    id: ID,
    before: before === null ? null : { json: JSON.stringify(before), size: 0, ts: 1 as Timestamp },
    after: after === null ? null : { value: after, json: JSON.stringify(after), size: 0, hasCommitTs: false },
  };
}

const job = (kind: string, scheduledTime = 1000): JsonObject => ({ state: { kind }, scheduledTime });
const key = (dueAt: number) => dueKey({ dueAt, tableId: 7 as TableId, id: ID });

test("SCH4 keys are in the order of due times, to the microsecond, and tell table and document", () => {
  const random = new SeededRandom(freshSeed());
  const times = Array.from({ length: 1000 }, () => random.below(4e12) + random.below(1000) / 1000);
  const keys = times.map(key);
  expect(keys.toSorted()).toEqual(times.toSorted((a, b) => a - b).map(key));
  for (const [i, one] of keys.entries()) {
    expect(parseDueKey(one)).toEqual({ dueAt: times[i], tableId: 7, id: ID });
  }
});

test("SCH5 a job is in the queue while it is pending or runs, under one key", () => {
  const jobs = table(SCHEDULED_FUNCTIONS);
  expect(dueChanges(jobs, write(null, job("pending")))).toEqual([{ key: key(1000), added: true }]);
  // A started action stays where it is: no row is written for it.
  expect(dueChanges(jobs, write(job("pending"), job("inProgress")))).toEqual([]);
  for (const kind of ["success", "failed", "canceled"]) {
    expect(dueChanges(jobs, write(job("inProgress"), job(kind)))).toEqual([{ key: key(1000), added: false }]);
    expect(dueChanges(jobs, write(null, job(kind)))).toEqual([]);
    expect(dueChanges(jobs, write(job(kind), null))).toEqual([]);
  }
  expect(dueChanges(jobs, write(job("pending"), null))).toEqual([{ key: key(1000), added: false }]);
});

test("SCH5 a cron job moves on in the queue, and other tables have nothing in it", () => {
  expect(dueChanges(table(CRON_JOBS), write({ nextRun: 1000 }, { nextRun: 2000 }))).toEqual([
    { key: key(1000), added: false },
    { key: key(2000), added: true },
  ]);
  expect(dueChanges(table("messages"), write(null, job("pending")))).toEqual([]);
  expect(dueChanges(undefined, write(null, job("pending")))).toEqual([]);
});
