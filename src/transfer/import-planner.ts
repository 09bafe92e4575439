import { Catalog } from "../engine/catalog.ts";
import type { ComponentPath, TableNumber } from "../engine/names.ts";
import { isSystemTable } from "../engine/tables.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { displayName } from "./change-summary.ts";
import type { ImportDocument } from "./import-document.ts";
import { importError } from "./import-error.ts";
import type { ImportPlan, PlannedTable } from "./import-plan.ts";
import type { ImportSource } from "./import-source.ts";
import type { TransferPorts } from "./ports.ts";
import { notEmpty, numberTaken } from "./staged-tables.ts";
import { zipContents } from "./zip-contents.ts";

/** Documents are counted no further. */
const COUNT_BOUND = 1_000_000;

const ROWS_BETWEEN_PAUSES = 5_000;

interface Wanted {
  readonly component: ComponentPath;
  readonly table: string;
  readonly entry: string | null;
}

type Ports = Pick<TransferPorts, "persistence" | "countDocuments" | "components" | "pause">;

/** Reads the whole file once, and looks at the tables that it is about. Changes nothing. */
export async function planImport(document: ImportDocument, source: ImportSource, ports: Ports): Promise<ImportPlan> {
  const catalog = new Catalog(await ports.persistence.loadCatalog());
  const { table, component } = document;
  const contents =
    table === null
      ? zipContents(await source.zip(), component, await ports.components())
      : { tables: [{ component, table, entry: null }], files: [] };
  const wanted: Wanted[] = [...contents.tables];
  if (document.mode === "replaceAll") wanted.push(...otherTables(catalog, component, table, wanted));
  const tables: PlannedTable[] = [];
  for (const one of wanted) tables.push(await planTable(one, document, source, catalog, ports));
  checkNumbers(catalog, tables);
  return { tables, files: [...contents.files] };
}

/** Tables that the file does not name, to be emptied. */
function otherTables(
  catalog: Catalog,
  component: ComponentPath,
  table: string | null,
  wanted: readonly Wanted[],
): Wanted[] {
  const named = new Set(wanted.map((one) => `${one.component}\n${one.table}`));
  // A zip file of the whole deployment has its components in it.
  const components = new Set([component, ...wanted.map((one) => one.component)]);
  return [...catalog.tables()]
    .filter((row) => components.has(row.component) && !isSystemTable(row.name))
    .filter((row) => !named.has(`${row.component}\n${row.name}`) && row.name !== table)
    .map((row) => ({ component: row.component, table: row.name, entry: "" }));
}

async function planTable(
  wanted: Wanted,
  { mode }: ImportDocument,
  source: ImportSource,
  catalog: Catalog,
  ports: Ports,
): Promise<PlannedTable> {
  const { rows, number } = await readRows(wanted, source, ports);
  const { component, table } = wanted;
  const row = catalog.table(component, table);
  const existing = row === undefined ? 0 : await ports.countDocuments(row.id, COUNT_BOUND);
  if (mode === "requireEmpty" && existing > 0) throw notEmpty(wanted);
  const appended = mode === "append" && row !== undefined && existing > 0;
  if (appended && number !== null && number !== row.number) {
    const message = `The imported IDs are of table number ${number}, but table "${displayName(wanted)}" has number ${row.number}.`;
    throw importError(`${message} Leave out \`_id\` to add them to it.`);
  }
  return {
    ...wanted,
    rows,
    existing,
    deleted: mode === "replace" || mode === "replaceAll" ? existing : 0,
    number: number ?? row?.number ?? null,
    staged: !appended,
    mustBeEmpty: mode === "requireEmpty" || mode === "append",
  };
}

async function readRows(
  wanted: Wanted,
  source: ImportSource,
  { pause }: Ports,
): Promise<{ readonly rows: number; readonly number: number | null }> {
  let rows = 0;
  let number: number | null = null;
  for await (const { _id: id } of source.rows(wanted)) {
    rows++;
    if (rows % ROWS_BETWEEN_PAUSES === 0) await pause();
    if (id === undefined) continue;
    const decoded = typeof id === "string" ? tryDecodeDocumentId(id) : null;
    if (decoded === null) {
      throw importError(`_id in table "${displayName(wanted)}" is not a document ID: ${JSON.stringify(id)}`);
    }
    if (number !== null && number !== decoded.tableNumber) {
      throw importError(
        `Table "${displayName(wanted)}" has IDs of two tables: number ${number} and ${decoded.tableNumber}.`,
      );
    }
    number = decoded.tableNumber;
  }
  return { rows, number };
}

/** Every number names one table of its component, also after the import. */
function checkNumbers(catalog: Catalog, tables: readonly PlannedTable[]): void {
  const planned = new Map(tables.map((one) => [`${one.component}\n${one.table}`, one]));
  const numbers = new Map<string, PlannedTable>();
  for (const one of tables) {
    if (one.number === null) continue;
    const key = `${one.component}\n${one.number}`;
    const twin = numbers.get(key);
    if (twin !== undefined) {
      throw importError(`Tables "${displayName(twin)}" and "${displayName(one)}" have IDs of the same table number.`);
    }
    numbers.set(key, one);
    // Numbers come from ids, which were checked.
    const other = catalog.tableByNumber(one.component, one.number as TableNumber);
    if (other === undefined || other.name === one.table) continue;
    const moved = planned.get(`${other.component}\n${other.name}`);
    if (moved === undefined || moved.number === other.number) throw numberTaken(one.number, other);
  }
}
