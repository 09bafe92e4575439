import { v } from "convex/values";
import { adminQuery } from "./system-query.ts";

/** There are no imports, so no id names one. */
export const getImport = adminQuery({ importId: v.string() }, () => "null");

export const listImports = adminQuery({}, () => "[]");
