import { SignatureError, verifySignature, type Verifier } from "http-message-sig";
import { must } from "../shared/assert.ts";
import type { Clock } from "../shared/clock.ts";
import { isContentDigest } from "./content-digest.ts";
import { COVERED, REQUIRED_PARAMETERS, directionTag, targetUri, type Direction } from "./covered.ts";
import { ALGORITHM, type SigningKeys } from "./keys.ts";
import type { NonceStore } from "./nonces.ts";

export interface ReceivedRequest {
  readonly direction: Direction;
  readonly method: string;
  /** Path and query as in the request line, e.g. `/execute?x=1`. */
  readonly target: string;
  /** A header of the request, by lower-case name. */
  header(name: string): string | null | undefined;
}

export interface VerifySettings {
  /** How far the two clocks may differ. */
  readonly clockSkewMs: number;
}

/** The request is refused with 401 and never executed. `message` is for the operator's log and holds no secret. */
export class SignatureRefusedError extends Error {
  override readonly name = "SignatureRefusedError";
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type RefusalCode =
  | "Unsigned"
  | "UnknownKey"
  | "BadSignature"
  | "BadDigest"
  | "Expired"
  | "Replayed"
  | "Overloaded";

/** A signature that lives longer than this is not ours: nonces are remembered for as long. */
const MAX_LIFETIME_S = 300;
const MAX_HEADER_LENGTH = 2048;
const MAX_NONCE_LENGTH = 64;

/**
 * Throws `SignatureRefusedError` unless the request was signed with an accepted key, for this direction, recently, for
 * exactly this method, path, query and body, and was not seen before. In two steps, so that a body is only read of
 * a request whose headers are in order: `verifyHeaders` and then `verifyBody`.
 */
export async function verifyRequest(
  request: ReceivedRequest,
  bodyDigest: Uint8Array,
  keys: SigningKeys,
  nonces: NonceStore,
  clock: Clock,
  settings: VerifySettings,
): Promise<void> {
  const verified = await verifyHeaders(request, keys, clock, settings);
  verifyBody(verified, bodyDigest, nonces, clock);
}

export interface VerifiedHeaders {
  readonly contentDigest: string;
  readonly keyid: string;
  readonly nonce: string;
  /** Seconds since the epoch. */
  readonly created: number;
  /** Milliseconds since the epoch. */
  readonly forgetAt: number;
}

/** All but the body and the nonce, which is used up by `verifyBody` alone. */
export async function verifyHeaders(
  request: ReceivedRequest,
  keys: SigningKeys,
  clock: Clock,
  settings: VerifySettings,
): Promise<VerifiedHeaders> {
  const signature = field(request, "signature");
  const signatureInput = field(request, "signature-input");
  const contentDigest = field(request, "content-digest");
  const skew = settings.clockSkewMs / 1000;
  const now = clock.now() / 1000;
  const { parameters } = await checkSignature(
    request,
    [
      { name: "signature", value: signature },
      { name: "signature-input", value: signatureInput },
      { name: "content-digest", value: contentDigest },
    ],
    keys,
  );
  // The signature holds, so the parameters are ours: only now do they mean anything.
  const { created, expires, nonce, keyid, tag } = parameters;
  if (created === undefined || expires === undefined || nonce === undefined || nonce.length > MAX_NONCE_LENGTH) {
    throw new SignatureRefusedError("BadSignature", "created, expires or nonce is missing or too long");
  }
  if (tag !== directionTag(request.direction)) {
    throw new SignatureRefusedError("BadSignature", `signed for ${String(tag)}`);
  }
  if (created > now + skew) throw new SignatureRefusedError("Expired", `signed ${created - now} s in the future`);
  if (expires < now - skew || now - created > MAX_LIFETIME_S + skew) {
    throw new SignatureRefusedError("Expired", `signed ${now - created} s ago`);
  }
  const forgetAt = (Math.min(expires, created + MAX_LIFETIME_S) + skew) * 1000;
  return { contentDigest, keyid: must(keyid, "keyid"), nonce, created, forgetAt };
}

/** Uses the nonce up: a request that passed is not accepted again. */
export function verifyBody(verified: VerifiedHeaders, bodyDigest: Uint8Array, nonces: NonceStore, clock: Clock): void {
  if (!isContentDigest(verified.contentDigest, bodyDigest)) {
    throw new SignatureRefusedError("BadDigest", "the body is not the one that was signed");
  }
  // Random and unique per key only.
  const use = nonces.use(`${verified.keyid}:${verified.nonce}`, verified.forgetAt, clock.now());
  if (use === "replayed") throw new SignatureRefusedError("Replayed", "the nonce was used before");
  if (use === "full")
    throw new SignatureRefusedError("Overloaded", "too many signed requests to remember their nonces");
}

interface SignedField {
  readonly name: string;
  readonly value: string;
}

async function checkSignature(request: ReceivedRequest, fields: readonly SignedField[], keys: SigningKeys) {
  try {
    return await verifySignature(
      { kind: "request", method: request.method, targetUri: targetUri(request.target), fields },
      {
        policy: {
          algorithms: [ALGORITHM],
          requiredComponents: COVERED,
          requiredParameters: REQUIRED_PARAMETERS,
          // The library looks at times before it has checked the signature, with a clock of its own: ours come after.
          now: 0,
          clockSkew: Number.MAX_SAFE_INTEGER,
        },
        resolveVerifier: ({ parameters: { keyid } }) => verifier(keyid, keys),
      },
    );
  } catch (error) {
    const cause = error instanceof SignatureError && error.cause instanceof Error ? error.cause : error;
    if (cause instanceof SignatureRefusedError) throw cause;
    if (error instanceof SignatureError)
      throw new SignatureRefusedError("BadSignature", error.message, { cause: error });
    throw error;
  }
}

function verifier(keyid: string | undefined, keys: SigningKeys): Verifier {
  const key = keyid === undefined ? undefined : keys.accepted.get(keyid);
  if (key === undefined) throw new SignatureRefusedError("UnknownKey", "no accepted key has this keyid");
  return {
    algorithm: ALGORITHM,
    verify: async (data, signature) => key.hmac.verify(data, signature),
  };
}

function field(request: ReceivedRequest, name: string): string {
  const value = request.header(name);
  if (value === null || value === undefined) throw new SignatureRefusedError("Unsigned", `${name} is missing`);
  if (value.length > MAX_HEADER_LENGTH) throw new SignatureRefusedError("BadSignature", `${name} is too long`);
  return value;
}
