/**
 * Replaced while a function runs by libraries that make code deterministic, such as `@convex-dev/workflow`. On Convex
 * each function has a global object of its own; here calls that interleave, nested ones among them, share one.
 */
export const OWN_GLOBALS = [
  "Math",
  "Date",
  "console",
  "process",
  "Crypto",
  "crypto",
  "CryptoKey",
  "SubtleCrypto",
] as const;

const ASSIGNMENT = new RegExp(`(?:\\.\\s*|\\[\\s*["'])(?:${OWN_GLOBALS.join("|")})(?:["']\\s*\\])?\\s*=[^=]`);

/** Whether code may assign to one of them: to a property of that name, of whatever object. */
export function mayReplaceGlobals(source: string): boolean {
  return ASSIGNMENT.test(source);
}
