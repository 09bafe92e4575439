import { type CountedBackend, startCounted } from "./counted-backend.ts";
import type { Costs } from "./counted/costs.ts";
import { message } from "./data.ts";

export interface CostRow {
  readonly name: string;
  /** What is allowed; empty where nothing is said. */
  readonly bound: string;
  /** Per call. */
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly roundTrips: number;
  readonly bytesAnswered: number;
  readonly bytesStored: number;
}

export interface CostTable {
  readonly rows: readonly CostRow[];
  /** Distinct loader ids of 1,000 mixed calls. */
  readonly loaderIds: number;
}

/** What calls cost, by D1's counters. The same bounds are asserted by `test/compat/cost.test.ts`. */
export async function measureCosts(): Promise<CostTable> {
  await using backend = await startCounted();
  await backend.seed(1000);
  const { messages, counters } = backend;
  const rows: CostRow[] = [];
  const add = async (name: string, bound: string, calls: number, work: (i: number) => Promise<unknown>, width = 1) => {
    rows.push(await costRow(backend, name, bound, calls, width, work));
  };
  await add("point read", "≤ 3 read", 50, (i) => backend.query("messages:get", { id: messages[i] }));
  await add("index read of 20", "≤ 65 read", 50, (i) => backend.query("messages:list", { channel: `channel ${i}` }));
  await add("insert, 3 indexes, alone", "≤ 8 written", 50, (i) => backend.mutation("messages:insert", message(i, 50)));
  await add("insert, ten at once", "≤ 6.3 written", 50, (i) => backend.mutation("messages:insert", message(i, 50)), 10);
  await add("update, no key changed", "≤ 3 written", 50, (i) =>
    backend.mutation("counters:modify", { id: counters[i] }),
  );
  await add("update, one key changed", "≤ 5 written", 50, (i) =>
    backend.mutation("messages:edit", { id: messages[i], body: `edited ${i}` }),
  );
  await add("hot counter, 32 at once", "", 64, () => backend.mutation("counters:modify", { id: counters[0] }), 32);
  for (let version = 0; version < 9; version++) {
    // oxlint-disable-next-line no-await-in-loop -- one version after the other
    await Promise.all(
      messages
        .slice(0, 1000)
        .filter((_, i) => i % 50 < 5)
        .map((id) => backend.mutation("messages:edit", { id, body: `version ${version}` })),
    );
  }
  await add("point read, 10 versions", "≤ 3 read", 50, (i) =>
    backend.query("messages:get", { id: messages[(i * 50) % 1000] }),
  );
  await add("index read of 20, 10 versions each", "≤ 65 read", 50, (i) =>
    backend.query("messages:list", { channel: `channel ${i % 5}` }),
  );
  await add("action, no-op", "0", 50, () => backend.action("actions:noop", {}));
  await add("action + runQuery", "≤ 3 read", 50, (i) => backend.action("actions:readMessage", { id: messages[i] }));
  await add("update, scheduled and run", "≤ 11 written", 50, async (i) => {
    const id = await backend.mutation("jobs:scheduleModify", { ids: [counters[i]], at: Date.now() });
    // oxlint-disable-next-line no-await-in-loop -- asks until it is so
    while ((await backend.query("jobs:completedTime", { id })) === null);
  });
  const { loaderIds } = await backend.costsOf(() =>
    Promise.all(
      Array.from({ length: 250 }, (_, i) => i).flatMap((i) => [
        backend.query("messages:get", { id: messages[i] }),
        backend.mutation("counters:modify", { id: counters[10 + i] }),
        backend.action("actions:noop", {}),
        backend.action("actions:readMessage", { id: messages[i] }),
      ]),
    ),
  );
  return { rows, loaderIds: loaderIds.length };
}

async function costRow(
  backend: CountedBackend,
  name: string,
  bound: string,
  calls: number,
  width: number,
  work: (i: number) => Promise<unknown>,
): Promise<CostRow> {
  const before = await databaseBytes(backend);
  const costs: Costs = await backend.costsOf(async () => {
    for (let i = 0; i < calls; i += width) {
      // oxlint-disable-next-line no-await-in-loop -- `width` calls at a time are what is measured
      await Promise.all(Array.from({ length: width }, (_, n) => work(i + n)));
    }
  });
  const after = await databaseBytes(backend);
  return {
    name,
    bound,
    rowsRead: costs.rowsRead / calls,
    rowsWritten: costs.rowsWritten / calls,
    roundTrips: costs.roundTrips / calls,
    bytesAnswered: costs.bytesAnswered / calls,
    bytesStored: (after - before) / calls,
  };
}

/** D1 states it with every answer. */
async function databaseBytes(backend: CountedBackend): Promise<number> {
  const { databaseBytes: bytes } = await backend.costsOf(() =>
    backend.query("counters:get", { id: backend.counters[0] }),
  );
  return bytes;
}
