import { sha256 } from "../../src/signing/content-digest.ts";
import { targetOf } from "../../src/signing/covered.ts";
import { parseSigningKeys, type SigningKeys } from "../../src/signing/keys.ts";
import { signRequest, type RequestParts } from "../../src/signing/sign.ts";
import type { ReceivedRequest } from "../../src/signing/verify.ts";

export interface SentRequest {
  readonly request: ReceivedRequest;
  readonly bodyDigest: Uint8Array;
}

export function keyOf(letter: string): { readonly keyid: string; readonly key: string } {
  return { keyid: `key-${letter}`, key: letter.repeat(32) };
}

export function keysOf(...letters: readonly string[]): Promise<SigningKeys> {
  return parseSigningKeys(JSON.stringify(letters.map(keyOf)));
}

export function randomFrom(first: number) {
  let call = first;
  return { bytes: (length: number) => new Uint8Array(length).fill(call++) };
}

/** Signs `parts` as sent and shows them to the receiver as `received` says. */
export async function send(
  parts: RequestParts,
  options: { readonly keys: SigningKeys; readonly nowMs: number; readonly nonce?: number },
  received: Partial<RequestParts & { headers: Readonly<Record<string, string | undefined>> }> = {},
): Promise<SentRequest> {
  const clock = { now: () => options.nowMs };
  const signed = await signRequest(parts, options.keys.signing, clock, randomFrom(options.nonce ?? 1));
  const seen = { ...parts, ...received };
  const headers: Readonly<Record<string, string | undefined>> = { ...signed, ...received.headers };
  return {
    request: {
      direction: seen.direction,
      method: seen.method,
      target: targetOf(seen.url),
      header: (name) => headers[name],
    },
    bodyDigest: await sha256(seen.body),
  };
}
