import type { FileNames } from "../../engine/file-store.ts";
import type { StoredFile } from "../../engine/stored-files.ts";
import { toHex } from "../../shared/bytes.ts";
import { decodeBase64 } from "./decode-base64.ts";

/** The deprecated form, whose hash is in hex where the document's is in base64. */
export async function metadataOf(names: FileNames, { ref, sha256, size, contentType }: StoredFile): Promise<object> {
  const hash = decodeBase64(sha256);
  if (hash === null) throw new Error("the hash of a stored file is in base64");
  return { storageId: await names.uuid(ref.id), sha256: toHex(hash).toLowerCase(), size, contentType };
}
