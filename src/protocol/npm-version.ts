/** Newest version of the npm package `convex` whose clients and functions are no longer served (`wire.md` §2.2.2). */
export const UNSUPPORTED_NPM_VERSION = "0.19.1";
