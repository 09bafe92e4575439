import type { InternalId } from "../engine/names.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { importError } from "./import-error.ts";
import type { ImportPlan } from "./import-plan.ts";
import type { ImportSource } from "./import-source.ts";
import type { TransferPorts } from "./ports.ts";

/**
 * Stores the bytes of the zip's files under the ids of their documents, which come later: until then they are nobody's.
 * Done again, it changes nothing. A file that is there already is the same one: ids are never given out twice.
 */
export async function storeFiles(
  plan: ImportPlan,
  source: ImportSource,
  { files }: Pick<TransferPorts, "files">,
): Promise<void> {
  const hashes = new Map<string, { readonly sha256: unknown; readonly size: unknown }>();
  for (const planned of plan.tables) {
    if (planned.table !== "_storage") continue;
    for await (const { _id: id, sha256, size } of source.rows(planned)) {
      hashes.set(`${planned.component}\n${typeof id === "string" ? id : ""}`, { sha256, size });
    }
  }
  const entries = new Map(plan.files.map((file) => [`${file.component}\n${file.id}`, file]));
  for (const [key, { sha256, size }] of hashes) {
    const file = entries.get(key);
    if (file === undefined) {
      throw importError(
        `The ZIP file does not hold the bytes of the stored file ${key.split("\n")[1]}. Export with \`--include-file-storage\`.`,
      );
    }
    const decoded = tryDecodeDocumentId(file.id);
    if (decoded === null) throw importError(`${file.id} is not an ID of a stored file.`);
    const ref = { component: file.component, id: decoded.internalId as InternalId };
    await files.put(ref, {
      bytes: (await source.zip()).read(file.entry),
      size: typeof size === "number" ? size : null,
      sha256: typeof sha256 === "string" ? sha256 : null,
    });
  }
}
