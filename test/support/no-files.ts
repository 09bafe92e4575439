import type { FileService } from "../../src/http/services.ts";

function refuse(): Promise<never> {
  return Promise.reject(new Error("no file is expected here"));
}

/** For backends of tests about other things. */
export const NO_FILES: FileService = {
  uploads: { upload: refuse },
  downloads: { find: refuse, open: refuse, openPart: refuse },
};
