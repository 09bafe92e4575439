import type { HmacKey } from "./hmac.ts";

/**
 * The spelling in which the library writes the signatures of all our requests, read and written without it: that takes a
 * tenth of the time, on each side of every request. Whatever is spelt otherwise is left to the library. What is covered
 * and required (`covered.ts`) is part of the pattern.
 */
export interface UsualParameters {
  /** Seconds since the epoch. */
  readonly created: number;
  readonly expires: number;
  readonly nonce: string;
  readonly keyid: string;
  readonly tag: string;
}

export interface UsualRequest {
  readonly method: string;
  readonly target: string;
  readonly contentDigest: string;
}

const INPUT =
  /^sig1=(\("@method" "@path" "@query" "content-digest"\);created=(\d{1,15});expires=(\d{1,15});nonce="([A-Za-z0-9+/=]{1,64})";keyid="([A-Za-z0-9_.-]{1,64})";alg="hmac-sha256";tag="([a-z-]{1,64})")$/;
const SIGNATURE = /^sig1=:([A-Za-z0-9+/]{43}=):$/;
const METHOD = /^[A-Z]{1,16}$/;
/** Nothing that a parser of URLs would change, and no query. */
const TARGET = /^\/(?:[A-Za-z0-9_-]+\/)*[A-Za-z0-9_-]*$/;
const DIGEST = /^sha-256=:[A-Za-z0-9+/]{43}=:$/;

const encoder = new TextEncoder();

function isUsual({ method, target, contentDigest }: UsualRequest): boolean {
  return METHOD.test(method) && TARGET.test(target) && DIGEST.test(contentDigest);
}

function base({ method, target, contentDigest }: UsualRequest, input: string): Uint8Array {
  return encoder.encode(
    `"@method": ${method}\n"@path": ${target}\n"@query": ?\n"content-digest": ${contentDigest}\n"@signature-params": ${input}`,
  );
}

/** `null`: the library has to write it. */
export async function signUsual(
  request: UsualRequest,
  { created, expires, nonce, keyid, tag }: UsualParameters,
  key: HmacKey,
): Promise<{ readonly signature: string; readonly signatureInput: string } | null> {
  if (!isUsual(request)) return null;
  const input = `("@method" "@path" "@query" "content-digest");created=${created};expires=${expires};nonce="${nonce}";keyid="${keyid}";alg="hmac-sha256";tag="${tag}"`;
  const signatureInput = `sig1=${input}`;
  if (!INPUT.test(signatureInput)) return null;
  const mac = await key.sign(base(request, input));
  return { signature: `sig1=:${btoa(String.fromCharCode(...mac))}:`, signatureInput };
}

export interface UsualSignature extends UsualParameters {
  isValid(key: HmacKey): Promise<boolean>;
}

/** `null`: the library has to read it. Says nothing about whether the signature holds. */
export function readUsual(request: UsualRequest, signature: string, signatureInput: string): UsualSignature | null {
  const input = INPUT.exec(signatureInput);
  const mac = SIGNATURE.exec(signature)?.[1];
  if (input === null || mac === undefined || !isUsual(request)) return null;
  const [, params = "", created, expires, nonce = "", keyid = "", tag = ""] = input;
  return {
    created: Number(created),
    expires: Number(expires),
    nonce,
    keyid,
    tag,
    isValid: async (key) => {
      const bytes = Uint8Array.from(atob(mac), (character) => character.charCodeAt(0));
      return key.verify(base(request, params), bytes);
    },
  };
}
