import type { HttpServices, TransferService } from "../../src/http/services.ts";

/** For tests that neither import nor export. */
export const NO_TRANSFERS: TransferService = {
  startUpload: () => "",
  uploadPart: () => Promise.resolve(""),
  finishUpload: () => Promise.resolve(""),
  performImport: () => Promise.resolve(),
  cancelImport: () => Promise.resolve(),
  requestExport: () => Promise.resolve(),
  openExport: () => Promise.resolve(null),
};

export const NO_STREAMING_EXPORT: HttpServices["streamingExport"] = {
  listSnapshot: () => Promise.resolve({ versions: [], snapshot: 0n, cursor: null }),
  documentDeltas: (cursor) => Promise.resolve({ versions: [], cursor, hasMore: false }),
};
