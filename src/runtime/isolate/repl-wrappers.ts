/** What the source of a test function imports from `convex:/_system/repl/wrappers.js`. */
export { internalQueryGeneric as internalQuery, queryGeneric as query } from "convex/server";
