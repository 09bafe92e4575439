import type { Log } from "../../../src/shared/log.ts";

export const SILENT_LOG: Log = { info: () => {}, warn: () => {}, error: () => {} };
