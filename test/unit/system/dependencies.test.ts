import { describe, expect, test } from "vitest";
import { Catalog } from "../../../src/engine/catalog.ts";
import { catalogKeys } from "../../../src/engine/commit/catalog-changes.ts";
import { DEFAULT_TRANSACTION_LIMITS } from "../../../src/engine/limits.ts";
import type { IndexId, IndexKey, InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type { CatalogChange, LoggedTransaction, TableRow } from "../../../src/engine/persistence.ts";
import { PlainCursorCodec } from "../../../src/engine/plain-cursor.ts";
import { dependsOn, type ReadSet } from "../../../src/engine/read-set.ts";
import { NO_TEXT_INDEXES } from "../../../src/engine/text/text-index.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import type { Deployment } from "../../../src/runtime/code/deployments.ts";
import { SystemFunctions } from "../../../src/system/system-functions.ts";
import { SYSTEM_QUERIES } from "../../../src/system/system-queries.ts";
import { encodeDocumentId } from "../../../src/values/document-id.ts";
import { parseFunctionPath } from "../../../src/values/function-path.ts";

const MESSAGES: TableRow = { id: 1 as TableId, component: "", name: "messages", number: 1 as TableNumber };
const BY_CREATION_TIME = {
  id: 2 as IndexId,
  tableId: MESSAGES.id,
  name: "by_creation_time",
  definition: { type: "database", fields: ["_creationTime"] },
  state: "enabled",
  staged: false,
} as const;
const ADMIN = { kind: "admin", readOnly: true, actingAs: null } as const;

/** A deployment without code and with one empty table. `loads`: how often its catalog was read. */
async function world() {
  const persistence = new MemoryPersistence();
  let ts = 0;
  const commit = async (catalog: CatalogChange) => {
    const before = ts as Timestamp;
    ts += 10;
    const now = ts as Timestamp;
    await persistence.commit({
      expected: { ts: before, writer: before === 0 ? "" : "w" },
      ts: now,
      writer: "w",
      documents: [],
      entries: [],
      transactions: [{ ts: now, keys: catalogKeys(catalog) }],
      outcomes: [],
      catalog,
    });
  };
  await commit({ upsertTables: [MESSAGES], upsertIndexes: [BY_CREATION_TIME] });
  let current: Deployment | null = null;
  const counts = { loads: 0 };
  const deployments = {
    async current(): Promise<Deployment> {
      if (current !== null) return current;
      counts.loads++;
      current = { catalog: new Catalog(await persistence.loadCatalog()), app: null, variables: {} };
      return current;
    },
    expire: () => void (current = null),
  };
  const system = new SystemFunctions({
    deployments,
    persistence,
    runtime: {
      clock: { now: () => 0 },
      random: { bytes: (length) => new Uint8Array(length) },
      cursors: new PlainCursorCodec(),
      textIndexes: NO_TEXT_INDEXES,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing is deployed and nothing is stored
      code: {} as never,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
      files: {} as never,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what user code may use is not asked here
      limits: { transaction: DEFAULT_TRANSACTION_LIMITS, argumentBytes: 1000, returnBytes: 1000 } as never,
    },
    cloudUrl: "http://cloud",
    siteUrl: "http://site",
    variables: async (values) =>
      new Map(
        [...values].flatMap(([key, value]) => (key.startsWith("env:") ? [[key.slice(4), JSON.stringify(value)]] : [])),
      ),
  });
  const run = async (path: string, args: unknown = {}, identity: Parameters<typeof system.run>[2] = ADMIN) => {
    const result = await system.run({ component: "", ...parseFunctionPath(path) }, JSON.stringify([args]), identity);
    if (result === null) throw new Error(`no function ${path}`);
    return result;
  };
  return { run, commit, counts };
}

const MESSAGE_ID = encodeDocumentId(MESSAGES.number, "0123456789ABCDEF0123456789ABCDEF" as InternalId);
const PAGE = { paginationOpts: { cursor: null, numItems: 10 } };
const ARGUMENTS: Readonly<Record<string, unknown>> = {
  "_system/cli/tables": PAGE,
  "_system/cli/tableData": { table: "messages", order: "desc", ...PAGE },
  "_system/cli/tableSize": { tableName: "messages" },
  "_system/cli/queryTable": { tableName: "messages" },
  "_system/cli/queryEnvironmentVariables:get": { name: "A" },
  "_system/cli/queryImport": { importId: "x" },
  "_system/frontend/listCronJobRuns": { cronId: "x" },
  "_system/frontend/paginatedScheduledJobs": PAGE,
  "_system/frontend/paginatedTableDocuments": { table: "messages", filters: null, ...PAGE },
  "_system/frontend/tableSize": { tableName: "messages" },
  "_system/frontend/getById": { id: MESSAGE_ID },
  "_system/frontend/listById": { ids: [{ id: MESSAGE_ID, tableName: "messages" }] },
  "_system/frontend/paginatedDeploymentEvents": { filters: { minDate: 0 }, ...PAGE },
  "_system/frontend/listDeploymentEventsFromTime": { fromTimestamp: 0 },
  "_system/frontend/listTableScan": { table: "messages", limit: 5 },
  "_system/frontend/indexes": { tableName: "messages", tableNamespace: null },
  "_system/frontend/modules:getSourceCode": { path: "messages.js" },
  "_system/frontend/fileStorageV2:fileMetadata": PAGE,
  "_system/frontend/fileStorageV2:getFile": { storageId: "x" },
};

const id = "0123456789ABCDEF0123456789ABCDEF";

/** What the commit log says of each kind of change. */
const CHANGES: Readonly<Record<string, LoggedTransaction["keys"]>> = {
  code: catalogKeys({ values: [{ key: "app", value: { version: "2", generation: 2 } }] }),
  variable: catalogKeys({ values: [{ key: "env:NEW", value: "sealed" }] }),
  pause: catalogKeys({ values: [{ key: "deploymentState", value: { state: "paused", pausedFrom: 1 } }] }),
  table: catalogKeys({ upsertTables: [{ ...MESSAGES, id: 5 as TableId, name: "other", number: 5 as TableNumber }] }),
  document: [
    ["t1", id as InternalId as string as IndexKey],
    ["i2", `AA${id}` as IndexKey],
  ],
  otherDocument: [["t5", id as IndexKey]],
  index: catalogKeys({ upsertIndexes: [{ ...BY_CREATION_TIME, id: 9 as IndexId, name: "by_channel" }] }),
  progress: catalogKeys({ values: [{ key: "pushProgress", value: 1 }] }),
};

function hits(readSet: ReadSet): string[] {
  return Object.entries(CHANGES)
    .filter(([, keys]) => keys.some(([ref, key]) => dependsOn(readSet, ref, key)))
    .map(([change]) => change);
}

/** Each function runs again after these changes and no others. */
const DEPENDENCIES: Readonly<Record<string, readonly string[]>> = {
  "_system/cli/modules:apiSpec": ["code"],
  "_system/cli/convexUrl:cloudUrl": [],
  "_system/cli/tables": ["table"],
  "_system/cli/tableData": ["document"],
  "_system/cli/tableSize": ["document"],
  "_system/cli/queryTable": ["document"],
  "_system/cli/queryEnvironmentVariables": ["variable"],
  "_system/cli/queryEnvironmentVariables:get": ["variable"],
  "_system/cli/queryImport": [],
  "_system/cli/queryImport:list": [],
  "_system/cli/exports:getLatest": [],
  "_system/frontend/components:list": ["code"],
  "_system/frontend/deploymentState:deploymentState": ["pause"],
  "_system/frontend/getSchemas": ["code"],
  "_system/frontend/getSchemas:schemaValidationProgress": [],
  // Of tables of their own, which do not exist here.
  "_system/frontend/listCronJobs": [],
  "_system/frontend/listCronJobRuns": [],
  "_system/frontend/paginatedScheduledJobs": [],
  "_system/frontend/paginatedTableDocuments": ["code", "document"],
  "_system/frontend/getTableMapping": ["table"],
  "_system/frontend/tableSize": ["document"],
  "_system/frontend/tableSize:sizeOfAllTables": ["table", "document"],
  "_system/frontend/getById": ["document"],
  "_system/frontend/listById": ["document"],
  "_system/frontend/listTableScan": ["document"],
  "_system/frontend/indexes": ["index"],
  "_system/frontend/indexes:backfilling": ["index"],
  "_system/frontend/modules:list": ["code"],
  "_system/frontend/modules:listForAllComponents": ["code"],
  "_system/frontend/modules:getSourceCode": ["code"],
  "_system/frontend/fileStorageV2:numFiles": [],
  "_system/frontend/fileStorageV2:fileMetadata": [],
  "_system/frontend/fileStorageV2:getFile": [],
  "_system/frontend/listEnvironmentVariables": ["variable"],
  "_system/frontend/listAuthProviders": ["code"],
  "_system/frontend/listConfiguredSinks": [],
  "_system/frontend/paginatedDeploymentEvents": [],
  "_system/frontend/listDeploymentEventsFromTime": [],
  "_system/frontend/deploymentEvents:lastPushEvent": ["code"],
  "_system/frontend/convexCloudUrl": [],
  "_system/frontend/convexSiteUrl": [],
  "_system/frontend/getVersion": ["code"],
  "_system/frontend/node:version": ["code"],
  "_system/frontend/snapshotImport:list": [],
  "_system/frontend/latestExport": [],
  "_system/frontend/latestExport:canExportFileStorage": [],
};

describe.each([...SYSTEM_QUERIES.keys()])("%s", (path) => {
  test("SYS5 depends on what its answer shows, and on nothing else", async () => {
    const { run } = await world();
    const { outcome, readSet, ts } = await run(path, ARGUMENTS[path] ?? {});
    expect(outcome).toMatchObject({ ok: true });
    expect(hits(readSet)).toEqual(DEPENDENCIES[path]);
    expect(ts).toBe(10);
  });

  test("SYS1 refuses whoever is no admin with the sentence that the CLI shows", async () => {
    const { run } = await world();
    const user = { kind: "user", attributes: {}, token: "t", expiresAt: 0 } as const;
    for (const identity of [{ kind: "none" } as const, user]) {
      const { outcome } = await run(path, ARGUMENTS[path] ?? {}, identity);
      expect(outcome).toMatchObject({
        ok: false,
        error: { message: expect.stringMatching(/^You do not have permission to perform this operation/) },
      });
    }
  });
});

test("SYS5 a table that does not exist is a dependency too", async () => {
  const { run } = await world();
  for (const path of ["_system/cli/queryTable", "_system/cli/tableSize"]) {
    expect(hits((await run(path, { tableName: "other" })).readSet)).toEqual(["table"]);
  }
});

test("SYS6 an answer is of one moment: a catalog that has changed is read again", async () => {
  const { run, commit, counts } = await world();
  expect((await run("_system/cli/queryEnvironmentVariables")).outcome).toMatchObject({ value: "[]" });
  await commit({ values: [{ key: "env:A", value: "1" }] });
  const { outcome, ts } = await run("_system/cli/queryEnvironmentVariables");
  expect(outcome).toMatchObject({ value: JSON.stringify([{ name: "A", value: '"1"' }]) });
  expect(ts).toBe(20);
  expect(counts.loads).toBe(2);
});
