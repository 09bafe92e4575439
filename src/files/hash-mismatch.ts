import type { StoredBytes } from "../engine/file-store.ts";
import { badRequest } from "../shared/coded-error.ts";

/** E-G-7. Both in base64; `null` expects nothing. */
export function checkHash({ sha256 }: StoredBytes, expected: string | null): void {
  if (expected === null || expected === sha256) return;
  throw badRequest("Sha256Mismatch", `Sha256 mismatch. Expected: ${expected} Actual: ${sha256}`);
}
