import { z } from "zod";
import type { JsonObject } from "../shared/json.ts";
import { type ImportDocument, importDocument, isOver } from "./import-document.ts";
import { Importer } from "./importer.ts";
import { deleteFolder } from "./pieces.ts";
import type { TransferPorts } from "./ports.ts";
import { dropStagedTables } from "./staged-tables.ts";
import { IMPORTS_FOLDER } from "./upload-folder.ts";

/** An upload that nobody finished, or an import that nobody confirmed, is kept for this long. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

export interface Transfers {
  /** Documents of the last imports. */
  readonly imports: () => Promise<readonly JsonObject[]>;
}

/** Brings every import and export further, and cleans up behind them. */
export async function workOnTransfers(
  { imports: load }: Transfers,
  ports: TransferPorts,
  budgetMs: number,
): Promise<"now" | "later" | "done"> {
  const deadline = ports.clock.now() + budgetMs;
  const importer = new Importer(ports);
  for (const document of await imports(load)) {
    if (isOver(document) || document.state.state === "waiting_for_confirmation") continue;
    if (await importer.run(document, deadline)) return "now";
  }
  return (await cleanUp(await imports(load), ports)) ? "later" : "done";
}

async function imports(load: Transfers["imports"]): Promise<readonly ImportDocument[]> {
  return z.array(importDocument).parse(await load());
}

/** True: there will be more to clean up. */
async function cleanUp(documents: readonly ImportDocument[], ports: TransferPorts): Promise<boolean> {
  const { bucket, clock } = ports;
  const active = documents.filter((document) => !isOver(document));
  const ids = new Set(active.map(({ _id }) => _id));
  await dropStagedTables(ports, (id) => !ids.has(id));
  const uploads = new Set(active.map(({ upload }) => upload));
  const known = new Set(documents.map(({ upload }) => upload));
  const { delimitedPrefixes } = await bucket.list({ prefix: `${IMPORTS_FOLDER}/`, delimiter: "/" });
  let left = false;
  for (const prefix of delimitedPrefixes) {
    const folder = prefix.slice(0, -1);
    const upload = folder.slice(IMPORTS_FOLDER.length + 1);
    // What no import knows may be an upload under way.
    const isOld = known.has(upload) || (await newestPart(bucket, folder)) < clock.now() - ABANDONED_MS;
    if (isOld && !uploads.has(upload)) await deleteFolder(bucket, folder);
    else left = true;
  }
  return left;
}

async function newestPart(bucket: R2Bucket, folder: string): Promise<number> {
  const { objects } = await bucket.list({ prefix: `${folder}/` });
  return Math.max(0, ...objects.map(({ uploaded }) => uploaded.getTime()));
}
