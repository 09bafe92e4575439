import { createSignature } from "http-message-sig";
import type { Clock } from "../shared/clock.ts";
import type { Random } from "../shared/random.ts";
import { contentDigestField, sha256 } from "./content-digest.ts";
import { COVERED, directionTag, targetOf, targetUri, type Direction } from "./covered.ts";
import type { Sha256 } from "./hmac.ts";
import { ALGORITHM, type SigningKey } from "./keys.ts";

/** Seconds until a signature expires: time enough to reach the other end, no more. */
const LIFETIME_S = 60;
const NONCE_BYTES = 16;

export interface RequestParts {
  readonly direction: Direction;
  readonly method: string;
  /** Absolute URL the request is sent to. */
  readonly url: string;
  /** Empty when the request has none: its digest is signed too. */
  readonly body: Uint8Array;
}

export interface SignedHeaders {
  readonly "content-digest": string;
  readonly "signature-input": string;
  readonly signature: string;
}

/** Headers to add to the request (RFC 9421, RFC 9530). Every attempt is signed anew: a nonce is accepted once. */
export async function signRequest(
  parts: RequestParts,
  key: SigningKey,
  clock: Clock,
  random: Random,
  digestOf: Sha256 = sha256,
): Promise<SignedHeaders> {
  const digest = contentDigestField(await digestOf(parts.body));
  const created = Math.floor(clock.now() / 1000);
  const { signature, signatureInput } = await createSignature(
    {
      kind: "request",
      method: parts.method,
      targetUri: targetUri(targetOf(parts.url)),
      fields: [{ name: "content-digest", value: digest }],
    },
    {
      components: COVERED,
      parameters: {
        created,
        expires: created + LIFETIME_S,
        nonce: btoa(String.fromCharCode(...random.bytes(NONCE_BYTES))),
        keyid: key.keyid,
        alg: ALGORITHM,
        tag: directionTag(parts.direction),
      },
      signer: {
        algorithm: ALGORITHM,
        sign: async (data) => key.hmac.sign(data),
      },
    },
  );
  return { "content-digest": digest, "signature-input": signatureInput, signature };
}
