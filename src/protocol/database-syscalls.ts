/** The operations that only queries and mutations have (`abi.md` §2.2). Elsewhere each is refused in words of its own. */
export const DATABASE_SYSCALLS: ReadonlySet<string> = new Set([
  "1.0/queryStream",
  "1.0/queryStreamNext",
  "1.0/queryCleanup",
  "1.0/queryPage",
  "1.0/count",
  "1.0/get",
  "1.0/insert",
  "1.0/shallowMerge",
  "1.0/replace",
  "1.0/remove",
  "1.0/db/normalizeId",
]);
