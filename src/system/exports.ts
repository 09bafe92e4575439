import { adminQuery } from "./system-query.ts";

/** There are no exports yet, so none is the latest. */
export const latestExport = adminQuery({}, () => "null");
