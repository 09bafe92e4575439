import { z } from "zod";
import { allDocuments } from "../engine/all-documents.ts";
import type { InternalId, TableId, TableNumber } from "../engine/names.ts";
import type { TableRow } from "../engine/persistence.ts";
import { isSystemTable } from "../engine/tables.ts";
import type { SystemContext, SystemMutation } from "../runtime/scheduling/job-table.ts";
import type { JsonObject } from "../shared/json.ts";
import { encodeDocumentId, tryDecodeDocumentId } from "../values/document-id.ts";
import { enforceSchema } from "../values/enforce-schema.ts";
import {
  type ImportDocument,
  importDocument,
  IMPORTS_TABLE,
  importFormat,
  importMode,
  type ImportPosition,
  importPosition,
  importState,
  isOver,
} from "./import-document.ts";
import { importError } from "./import-error.ts";
import { importNotFound } from "./import-not-found.ts";
import { CHANGE_IMPORT_OP, CREATE_IMPORT_OP, WRITE_ROWS_OP } from "./operations.ts";
import { parsedMutation } from "../runtime/scheduling/parsed-mutation.ts";

const START: ImportPosition = { file: 0, table: 0, row: 0, written: 0, final: false };

/** Imports that are over are kept until so many came after them. */
const KEPT_IMPORTS = 50;

const jsonObject = z.record(z.string(), z.json());

const createArgs = z.object({
  format: importFormat,
  mode: importMode,
  component: z.string(),
  table: z.string().nullable(),
  upload: z.string(),
});

const changeArgs = z.object({
  importId: z.string(),
  /** States it may be in before; in another one nothing changes. */
  from: z.array(z.string()),
  /** Nothing changes either when it is too late. */
  cancel: z.boolean().optional(),
  to: importState,
});

const writeArgs = z.object({
  importId: z.string(),
  from: importPosition,
  to: importPosition,
  rows: z.array(jsonObject),
  /** Where the rows go, if there are any. */
  target: z
    .object({
      component: z.string(),
      table: z.string(),
      /** The table that holds the rows until the import is complete; `null` writes to the table itself. */
      tableId: z
        .number()
        .transform((id) => id as TableId)
        .nullable(),
    })
    .nullable(),
  state: importState,
});

/** The id of the new import. */
const create = parsedMutation(createArgs, async ({ transaction, deployment }, args) => {
  const { component } = args;
  if (component !== "" && deployment.app?.component(component) === undefined) {
    throw importError(`Component "${component}" does not exist.`);
  }
  const table = transaction.systemTable("", IMPORTS_TABLE);
  const earlier = (await allDocuments(transaction, table))
    .map(({ id, document }) => ({ id, ...importDocument.parse(document) }))
    .toSorted((a, b) => b._creationTime - a._creationTime);
  for (const { id, ...old } of earlier.slice(KEPT_IMPORTS)) {
    if (isOver(old)) await transaction.system.replace(table, id, null);
  }
  const fields = { ...args, state: { state: "uploaded" }, position: START, app: null };
  return transaction.system.insert(table, fields);
});

/** The import as it is now. */
const change = parsedMutation(changeArgs, async (context, { importId, from, to, cancel = false }) => {
  const found = await findImport(context, importId);
  if (!from.includes(found.document.state.state)) return found.document;
  if (cancel && found.document.position.final) return found.document;
  const begins = to.state === "in_progress" && found.document.state.state !== "in_progress";
  const app = begins ? (context.deployment.app?.version.version ?? null) : found.document.app;
  return await replaceImport(context, found, { ...found.document, state: to, app });
});

/** The import as it is now: unchanged if it was not where the caller took it to be. */
const writeRows = parsedMutation(writeArgs, async (context, { importId, from, to, rows, state, target }) => {
  const found = await findImport(context, importId);
  const { state: present, position } = found.document;
  const isThere = position.file === from.file && position.table === from.table && position.row === from.row;
  if (present.state !== "in_progress" || !isThere) return found.document;
  if (target !== null && rows.length > 0) {
    const table = targetTable(context, target);
    for (const row of rows) await writeRow(context, table, target, row);
  }
  return await replaceImport(context, found, { ...found.document, state, position: to });
});

interface Target {
  readonly component: string;
  readonly table: string;
  readonly tableId: TableId | null;
}

function targetTable({ transaction, deployment }: SystemContext, target: Target): TableRow {
  if (target.tableId === null) return transaction.systemTable(target.component, target.table);
  const table = deployment.catalog.tableById(target.tableId);
  if (table === undefined) throw importError("The import was given up.");
  return table;
}

async function writeRow(
  { transaction, deployment }: SystemContext,
  table: TableRow,
  { component, table: name, tableId }: Target,
  row: JsonObject,
): Promise<void> {
  const { catalog, app } = deployment;
  const id = rowId(table, name, row);
  if (tableId === null && id !== null && (await transaction.system.get(table, id)) !== null) {
    throw importError(`Table "${name}" has a document with the ID "${encodeDocumentId(table.number, id)}" already.`);
  }
  const { _creationTime: time } = row;
  if (time !== undefined && (typeof time !== "number" || time <= 0)) {
    throw importError(`_creationTime in table "${name}" must be a positive number.`);
  }
  const schema = app?.schema(component) ?? null;
  if (schema !== null && !isSystemTable(name)) {
    // Ids of documents that come with this one are of tables that nobody sees yet.
    const tableName = (number: number) =>
      catalog.tableByNumber(table.component, number as TableNumber)?.name ??
      transaction.tables.nameOf(component, number);
    enforceSchema(schema, name, row, { tableName });
  }
  transaction.system.restore(table, row, id ?? undefined);
}

/** `null`: the row has no id yet. */
function rowId(table: TableRow, name: string, { _id: text }: JsonObject): InternalId | null {
  if (text === undefined) return null;
  const decoded = typeof text === "string" ? tryDecodeDocumentId(text) : null;
  if (decoded === null) throw importError(`_id in table "${name}" is not a document ID: ${JSON.stringify(text)}`);
  if (decoded.tableNumber !== table.number) {
    throw importError(
      `_id ${JSON.stringify(text)} is of another table than "${name}", whose documents it would be among.`,
    );
  }
  return decoded.internalId as InternalId; // Hex of 16 bytes.
}

interface FoundImport {
  readonly table: TableRow;
  readonly id: InternalId;
  readonly document: ImportDocument;
}

async function findImport({ transaction }: SystemContext, importId: string): Promise<FoundImport> {
  const table = transaction.tables.named("", IMPORTS_TABLE);
  const decoded = tryDecodeDocumentId(importId);
  if (table === null || decoded === null || decoded.tableNumber !== table.number) throw importNotFound();
  const id = decoded.internalId as InternalId; // Hex of 16 bytes.
  const document = await transaction.system.get(table, id);
  if (document === null) throw importNotFound();
  return { table, id, document: importDocument.parse(document) };
}

async function replaceImport(
  { transaction }: SystemContext,
  { table, id }: FoundImport,
  document: ImportDocument,
): Promise<ImportDocument> {
  await transaction.system.replace(table, id, document);
  return document;
}

export const IMPORT_WORK: Readonly<Record<string, SystemMutation>> = {
  [CREATE_IMPORT_OP]: create,
  [CHANGE_IMPORT_OP]: change,
  [WRITE_ROWS_OP]: writeRows,
};
