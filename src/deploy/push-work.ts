import { Catalog } from "../engine/catalog.ts";
import type { InternalId, TableId } from "../engine/names.ts";
import type { CatalogRows, IndexRow, TableRow } from "../engine/persistence.ts";
import type { AppVersion } from "../protocol/app.ts";
import { assert, must } from "../shared/assert.ts";
import type { JsonObject } from "../shared/json.ts";
import { schemasOf } from "./active-app.ts";
import { commitWithRetry } from "./catalog-retry.ts";
import { buildDerived } from "./derived.ts";
import { canonicalJson } from "./digest.ts";
import { dropping } from "./dropped-indexes.ts";
import type { CatalogCommit, DeployPorts, DocumentCheck, TableNames } from "./ports.ts";
import { indexRowsToCreate, pushState, reconcile, wantedWalks } from "./push-plan.ts";
import { loadProgress, PUSH_PROGRESS, type PushProgress, progressValue, type WalkedTable } from "./push-progress.ts";
import type { PushTicket } from "./push-token.ts";
import { diffSchemas, type Schemas } from "./schema-diff.ts";
import { tableNames, tablesToWalk } from "./schema-validation.ts";
import { backfill, parseDocument, TableScan } from "./table-scan.ts";

/** A stored document that the new schema does not admit. */
export interface Mismatch {
  readonly component: string;
  readonly table: string;
  readonly message: string;
}

export type OpenedWork =
  | { readonly state: "outdated" }
  | { readonly state: "finished" }
  | { readonly state: "open"; readonly work: PushWork };

const LOG_PAGE = 500;
const DOCUMENTS_PER_READ = 50;

type Ports = Pick<
  DeployPorts,
  "persistence" | "committer" | "rules" | "documentKeys" | "derivedIndexes" | "pause" | "clock" | "settings" | "tokens"
>;

/**
 * What must be done to stored data before a push can flip in: build its new indexes and check documents against its
 * schema. Each table is walked once for both. Progress is kept in the catalog, so any request may go on with it, and
 * doing a part twice changes nothing.
 *
 *   prepare ─ index rows exist, so every later commit keeps them up to date
 *   walk    ─ batches at the newest snapshot; new indexes get the entries of what was there before
 *   catch up ─ documents that the log says were written since are checked again
 *   flip    ─ one commit, refused if such a document was written after the last catching up
 */
export class PushWork {
  readonly #ports: Ports;
  readonly #ticket: PushTicket;
  readonly #progress: PushProgress;
  readonly #catalog: Catalog;
  readonly #checks: ReadonlyMap<string, DocumentCheck>;
  readonly #tableNames = new Map<string, TableNames>();

  private constructor(
    ports: Ports,
    ticket: PushTicket,
    progress: PushProgress,
    catalog: Catalog,
    checks: ReadonlyMap<string, DocumentCheck>,
  ) {
    this.#ports = ports;
    this.#ticket = ticket;
    this.#progress = progress;
    this.#catalog = catalog;
    this.#checks = checks;
  }

  static async open(
    ports: Ports,
    ticket: PushTicket,
    next: AppVersion,
    active: AppVersion | null,
  ): Promise<OpenedWork> {
    const schemas = schemasOf(next);
    const enforced: Schemas = active === null ? new Map() : schemasOf(active);
    let opened: OpenedWork = { state: "outdated" };
    await commitWithRetry(ports.committer, async () => {
      const rows = await ports.persistence.loadCatalog();
      const state = pushState(rows, ticket);
      opened = state === "finished" ? { state } : { state: "outdated" };
      if (state !== "open") return null;
      const catalog = new Catalog(rows);
      const diff = diffSchemas(catalog, schemas);
      const created = await indexRowsToCreate(diff, catalog, ports.committer);
      const stored = loadProgress(rows.values);
      const progress = reconcile(
        stored?.id === ticket.id ? stored : null,
        wantedWalks(diff, created, tablesToWalk(catalog, schemas, enforced)),
        rows,
        ticket,
      );
      const change = { upsertIndexes: created };
      const withCreated = new Catalog({ ...rows, indexes: [...rows.indexes, ...created] });
      opened = { state: "open", work: new PushWork(ports, ticket, progress, withCreated, compile(schemas, ports)) };
      const drops = dropping(
        rows.values,
        diff.abandoned.map(({ id }) => id),
        ports.clock,
      );
      const value = progress.tables.length === 0 ? null : progressValue(progress);
      const unchanged =
        created.length === 0 &&
        drops.dropIndexes.length === 0 &&
        canonicalJson(value) === canonicalJson(rows.values.get(PUSH_PROGRESS) ?? null);
      if (unchanged) return null;
      return {
        expectedCatalogTs: rows.head.catalogTs,
        change: { ...change, ...drops, values: [...drops.values, { key: PUSH_PROGRESS, value }] },
      };
    });
    return opened;
  }

  get complete(): boolean {
    return this.#progress.tables.every((table) => table.done);
  }

  /** Up to where the documents of `validated` are known to match. */
  get checkedUpTo(): PushProgress["checkedUpTo"] {
    return this.#progress.checkedUpTo;
  }

  get validated(): readonly TableId[] {
    return this.#progress.tables.filter((table) => table.validate).map((table) => table.tableId);
  }

  /** Progress per component, for the client's spinner. */
  status(): Readonly<Record<string, object>> {
    const components: Record<string, { done: boolean; complete: number; total: number }> = {};
    for (const table of this.#progress.tables) {
      const { component } = must(this.#catalog.tableById(table.tableId), "walked table");
      const status = (components[component] ??= { done: true, complete: 0, total: 0 });
      status.done &&= table.done || !table.validate;
      status.total += table.indexes.length;
      if (table.done) status.complete += table.indexes.length;
    }
    return Object.fromEntries(
      Object.entries(components).map(([path, { done, complete, total }]) => [
        path,
        { schemaValidationComplete: done, indexesComplete: complete, indexesTotal: total },
      ]),
    );
  }

  /** Works until everything is done or the deadline (ms) has passed. Ends with everything written so far checked. */
  async run(deadline: number): Promise<Mismatch | "complete" | "inProgress" | "outdated"> {
    const start = this.#fingerprint();
    const nothingToWalk = this.complete;
    for (const table of this.#progress.tables) {
      const mismatch = table.done ? null : await this.#walk(table, deadline);
      if (mismatch !== null) return await this.#giveUp(mismatch);
    }
    const mismatch = await this.#catchUp();
    if (mismatch !== null) return await this.#giveUp(mismatch);
    // Having caught up is worth a commit of its own only while there is more to come.
    if (!nothingToWalk && this.#fingerprint() !== start && !(await this.#save())) return "outdated";
    return this.complete ? "complete" : "inProgress";
  }

  async #walk(table: WalkedTable, deadline: number): Promise<Mismatch | null> {
    const { persistence, documentKeys, pause, clock, settings } = this.#ports;
    const row = must(this.#catalog.tableById(table.tableId), "walked table");
    const indexes = this.#catalog.indexes(table.tableId).filter((index) => table.indexes.includes(index.id));
    const scan = new TableScan(persistence, settings.backfill, table.tableId, table.cursor);
    // Indexes of other types read the documents themselves.
    scan.done = !table.validate && !indexes.some(({ definition }) => definition.type === "database");
    while (!scan.done && clock.now() < deadline) {
      const batch = await scan.batch();
      if (table.validate) {
        for (const { document } of batch.rows) {
          const mismatch = this.#check(row, document.json);
          if (mismatch !== null) return mismatch;
        }
      }
      if (await backfill(batch, indexes, persistence, documentKeys)) batch.advance();
      await pause();
    }
    table.cursor = scan.cursor;
    table.done = scan.done && (await buildDerived(indexes, this.#ports, deadline));
    return null;
  }

  async #catchUp(): Promise<Mismatch | null> {
    const tables = new Map(this.validated.map((tableId) => [`t${tableId}`, tableId]));
    if (tables.size === 0) return null;
    // The log below is read to its end, which is not before this head.
    const { head } = await this.#ports.persistence.read([], "latest");
    let after = this.#progress.checkedUpTo;
    for (;;) {
      const log = await this.#ports.persistence.log(after, LOG_PAGE);
      const written = new Map<string, { tableId: TableId; id: InternalId }>();
      for (const [index, key] of log.flatMap((transaction) => transaction.keys)) {
        const tableId = tables.get(index);
        if (tableId !== undefined) written.set(`${index}/${key}`, { tableId, id: key as string as InternalId });
      }
      const mismatch = await this.#checkDocuments([...written.values()]);
      if (mismatch !== null) return mismatch;
      after = log.at(-1)?.ts ?? after;
      if (log.length < LOG_PAGE) break;
    }
    this.#progress.checkedUpTo = after > head.ts ? after : head.ts;
    return null;
  }

  /** As they are now: a version that came after is in the log too, further on. */
  async #checkDocuments(written: readonly { tableId: TableId; id: InternalId }[]): Promise<Mismatch | null> {
    for (let start = 0; start < written.length; start += DOCUMENTS_PER_READ) {
      const chunk = written.slice(start, start + DOCUMENTS_PER_READ);
      const reads = chunk.map(({ tableId, id }) => ({ kind: "get" as const, tableId, id }));
      const { results } = await this.#ports.persistence.read(reads, "latest");
      for (const [position, document] of results.entries()) {
        const tableId = must(chunk[position], "read").tableId;
        const row = must(this.#catalog.tableById(tableId), "walked table");
        const mismatch = document === null ? null : this.#check(row, document.json);
        if (mismatch !== null) return mismatch;
      }
    }
    return null;
  }

  #check(row: TableRow, json: string): Mismatch | null {
    const document = parseDocument(json);
    const check = this.#checks.get(row.component);
    const names = this.#tableNames.get(row.component) ?? tableNames(this.#catalog, row.component);
    this.#tableNames.set(row.component, names);
    const reason = check?.(row.name, document, names) ?? null;
    if (reason === null) return null;
    return {
      component: row.component,
      table: row.name,
      message: `Document with ID "${documentId(document)}" in table "${row.name}" does not match the schema: ${reason}`,
    };
  }

  /** Records how far the walk is; indexes whose table is done become ready. False when the push is outdated. */
  async #save(): Promise<boolean> {
    return await this.#commitOwn((rows) => ({
      upsertIndexes: ownIndexes(
        rows,
        this.#progress.tables.filter((table) => table.done),
      ).map((index) => ({ ...index, state: "ready" as const })),
      values: [{ key: PUSH_PROGRESS, value: progressValue(this.#progress) }],
    }));
  }

  /** A push that fails leaves nothing behind. */
  async #giveUp(mismatch: Mismatch): Promise<Mismatch> {
    await this.#commitOwn((rows) => {
      const started = rows.indexes.filter(
        (index) =>
          !index.staged &&
          index.state !== "enabled" &&
          this.#progress.tables.some((table) => table.indexes.includes(index.id)),
      );
      const drops = dropping(
        rows.values,
        started.map(({ id }) => id),
        this.#ports.clock,
      );
      return { ...drops, values: [...drops.values, { key: PUSH_PROGRESS, value: null }] };
    });
    return mismatch;
  }

  async #commitOwn(change: (rows: CatalogRows) => CatalogCommit["change"]): Promise<boolean> {
    const { persistence, committer } = this.#ports;
    const ts = await commitWithRetry(committer, async () => {
      const rows = await persistence.loadCatalog();
      const own = pushState(rows, this.#ticket) === "open" && loadProgress(rows.values)?.id === this.#ticket.id;
      return own ? { expectedCatalogTs: rows.head.catalogTs, change: change(rows) } : null;
    });
    return ts !== null;
  }

  #fingerprint(): string {
    return canonicalJson(progressValue(this.#progress));
  }
}

function ownIndexes(rows: CatalogRows, tables: readonly WalkedTable[]): readonly IndexRow[] {
  const ids = new Set(tables.flatMap((table) => table.indexes));
  return rows.indexes.filter((index) => ids.has(index.id) && index.state === "backfilling");
}

function compile(schemas: Schemas, ports: Ports): ReadonlyMap<string, DocumentCheck> {
  return new Map(
    [...schemas].flatMap(([component, schema]) =>
      schema === null ? [] : [[component, ports.rules.documentCheck(schema)]],
    ),
  );
}

function documentId(document: JsonObject): string {
  const id = document["_id"];
  assert(typeof id === "string", "A stored document has an _id");
  return id;
}
