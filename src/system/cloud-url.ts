import { adminQuery } from "./system-query.ts";

/** The origin that clients connect to. */
export const cloudUrl = adminQuery({}, (context) => JSON.stringify(context.cloudUrl));
