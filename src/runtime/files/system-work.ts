import { z } from "zod";
import { deleteFile, forgetFiles, recordFile, recordFileAgain } from "../../engine/stored-files.ts";
import type { InternalId } from "../../engine/names.ts";
import { badRequest, CodedError } from "../../shared/coded-error.ts";
import type { SystemMutation } from "../scheduling/job-table.ts";
import { parsedMutation } from "../scheduling/parsed-mutation.ts";
import { SyscallArguments } from "../syscalls/arguments.ts";
import { DELETE_FILE_OP, FORGET_FILES_OP, RECORD_FILE_OP } from "./operations.ts";
import { fileNotFound } from "./file-not-found.ts";
import { fileOf } from "./storage-id.ts";

// Ids come from our own Workers.
const internalId = z.string().transform((text) => text as InternalId);

const recordArgs = z.object({
  component: z.string(),
  id: internalId,
  sha256: z.string(),
  size: z.number(),
  contentType: z.string().nullable(),
  startedAt: z.number(),
  again: z.boolean().default(true),
});
const deleteArgs = z.object({ component: z.string(), request: z.record(z.string(), z.json()) });
const forgetArgs = z.object({ component: z.string(), ids: z.array(internalId) });

/** The last step of an upload. What began too long ago is refused: its bytes may be swept away by now. */
function record(uploadLifeMs: number): SystemMutation {
  return parsedMutation(
    recordArgs,
    async ({ transaction, deployment, now }, { component, id, startedAt, again, ...stored }) => {
      if (deployment.app?.component(component) === undefined) {
        throw new CodedError("Unauthenticated", "InvalidStorageToken", "Invalid storage token");
      }
      if (now - startedAt > uploadLifeMs) throw badRequest("UploadTooSlow", "The upload took too long. Try again.");
      const file = { ref: { component, id }, ...stored };
      return again ? recordFileAgain(transaction, file) : recordFile(transaction, file);
    },
  );
}

const remove = parsedMutation(deleteArgs, async ({ transaction, deployment, runtime }, { component, request }) => {
  const args = new SyscallArguments(request, "storage.delete");
  const ref = await fileOf(args, component, runtime.files.addresses.names(deployment.catalog));
  if (!(await deleteFile(transaction, ref))) throw fileNotFound(args);
  return null;
});

const forget = parsedMutation(forgetArgs, async ({ transaction }, { component, ids }) => {
  await forgetFiles(transaction, component, ids);
  return null;
});

/** What the Transactor does for uploads, actions and the sweeper. `uploadLifeMs`: until when an upload is recorded. */
export function fileWork(uploadLifeMs: number): Readonly<Record<string, SystemMutation>> {
  return { [RECORD_FILE_OP]: record(uploadLifeMs), [DELETE_FILE_OP]: remove, [FORGET_FILES_OP]: forget };
}
