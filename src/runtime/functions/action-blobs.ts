import { z } from "zod";
import type { BlobHead } from "../../protocol/invocation.ts";
import type { NewFile } from "../files/runtime-files.ts";
import { SyscallArguments } from "../syscalls/arguments.ts";
import { findForAction } from "../syscalls/storage-in-actions.ts";
import type { ActionExecution } from "./action-execution.ts";

export const blobHead = z.object({
  size: z.number().int().min(0),
  contentType: z.string().nullable(),
  sha256: z.string().nullable(),
});

/** `storage.store` of an action. JSON text of the document's id. */
export async function storeBlob({ uploads, found }: ActionExecution, blob: NewFile): Promise<string> {
  return JSON.stringify(await uploads.store(found.path.component, blob));
}

/** `storage.get` of an action. */
export async function getBlob(
  execution: ActionExecution,
  storageId: string,
): Promise<{ readonly head: BlobHead; readonly bytes: ReadableStream<Uint8Array> } | null> {
  const file = await findForAction(execution, new SyscallArguments({ storageId }, "storage.get"));
  if (file === null) return null;
  const bytes = await execution.runtime.files.store.get(file.ref);
  if (bytes === null) throw new Error(`the bytes of file ${file.ref.id} are missing`);
  const { size, contentType, sha256 } = file;
  return { head: { size, contentType, sha256 }, bytes };
}
