import { z } from "zod";
import type { JsonObject } from "../shared/json.ts";
import { type ImportDocument, importDocument, isOver } from "./import-document.ts";
import { type ExportDocument, exportDocument, EXPORTS_FOLDER, isExportOver } from "./export-document.ts";
import { Exporter } from "./exporter.ts";
import { CHANGE_EXPORT_OP, CHANGE_IMPORT_OP } from "./operations.ts";
import { Importer } from "./importer.ts";
import { deleteFolder } from "./pieces.ts";
import type { TransferPorts } from "./ports.ts";
import { deleteReplacedFiles } from "./dropped-tables.ts";
import { ImportSource } from "./import-source.ts";
import { discardFiles } from "./imported-files.ts";
import { dropStagedTables } from "./staged-tables.ts";
import { IMPORTS_FOLDER } from "./upload-folder.ts";

/** An upload that nobody finished, or an import that nobody confirmed, is kept for this long. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** How long a finished export can be downloaded. */
const EXPORT_LIFE_MS = 7 * 24 * 60 * 60 * 1000;

/** An export gets on beside an import that needs all the time there is. */
const LEAST_MS = 2_000;

export interface Transfers {
  /** Documents of the last imports and exports. */
  readonly imports: () => Promise<readonly JsonObject[]>;
  readonly exports: () => Promise<readonly JsonObject[]>;
}

/** Brings every import and export further, and cleans up behind them. */
export async function workOnTransfers(
  transfers: Transfers,
  ports: TransferPorts,
  budgetMs: number,
): Promise<"now" | "later" | "done"> {
  const deadline = ports.clock.now() + budgetMs;
  const importer = new Importer(ports);
  let more = false;
  for (const document of z.array(importDocument).parse(await transfers.imports())) {
    if (isOver(document) || document.state.state === "waiting_for_confirmation") continue;
    if (await importer.run(document, deadline)) more = true;
  }
  const exporter = new Exporter(ports);
  for (const document of z.array(exportDocument).parse(await transfers.exports())) {
    if (isExportOver(document)) continue;
    if (await exporter.run(document, Math.max(deadline, ports.clock.now() + LEAST_MS))) more = true;
  }
  if (more) return "now";
  await deleteReplacedFiles(ports);
  const importsLeft = await cleanUpImports(z.array(importDocument).parse(await transfers.imports()), ports);
  const exportsLeft = await cleanUpExports(z.array(exportDocument).parse(await transfers.exports()), ports);
  return importsLeft || exportsLeft ? "later" : "done";
}

/** Old exports go, and what none knows. True: there will be more to clean up. */
async function cleanUpExports(documents: readonly ExportDocument[], ports: TransferPorts): Promise<boolean> {
  const { bucket, clock, run } = ports;
  const kept = new Set<string>();
  for (const { _id: exportId, _creationTime: time } of documents) {
    if (time > clock.now() - EXPORT_LIFE_MS) kept.add(exportId);
    else await run(CHANGE_EXPORT_OP, { exportId, to: null });
  }
  const { delimitedPrefixes } = await bucket.list({ prefix: `${EXPORTS_FOLDER}/`, delimiter: "/" });
  for (const prefix of delimitedPrefixes) {
    if (!kept.has(prefix.slice(EXPORTS_FOLDER.length + 1, -1))) await deleteFolder(bucket, prefix.slice(0, -1));
  }
  return kept.size > 0;
}

/** Bytes of files that a failed import has stored. */
async function discard(document: ImportDocument | undefined, ports: TransferPorts): Promise<void> {
  if (document?.state.state !== "failed") return;
  const plan = await new ImportSource(ports, document).findPlan();
  if (plan !== null) await discardFiles(plan, ports);
}

/** True: there will be more to clean up. */
async function cleanUpImports(documents: readonly ImportDocument[], ports: TransferPorts): Promise<boolean> {
  const { bucket, clock, run } = ports;
  const abandoned = clock.now() - ABANDONED_MS;
  for (const { _id: importId, _creationTime: time, state } of documents) {
    if (state.state !== "waiting_for_confirmation" || time > abandoned) continue;
    const to = { state: "failed", error_message: "The import was never confirmed." };
    await run(CHANGE_IMPORT_OP, { importId, from: ["waiting_for_confirmation"], to });
  }
  const active = documents.filter((document) => !isOver(document));
  const ids = new Set(active.map(({ _id }) => _id));
  await dropStagedTables(ports, (id) => !ids.has(id));
  const uploads = new Map(documents.map((document) => [document.upload, document]));
  const { delimitedPrefixes } = await bucket.list({ prefix: `${IMPORTS_FOLDER}/`, delimiter: "/" });
  let left = false;
  for (const prefix of delimitedPrefixes) {
    const folder = prefix.slice(0, -1);
    const document = uploads.get(folder.slice(IMPORTS_FOLDER.length + 1));
    // What no import knows may be an upload under way.
    const isDone = document === undefined ? (await newestPart(bucket, folder)) < abandoned : isOver(document);
    left ||= !isDone;
    if (!isDone) continue;
    await discard(document, ports);
    await deleteFolder(bucket, folder);
  }
  return left;
}

async function newestPart(bucket: R2Bucket, folder: string): Promise<number> {
  const { objects } = await bucket.list({ prefix: `${folder}/` });
  return Math.max(0, ...objects.map(({ uploaded }) => uploaded.getTime()));
}
