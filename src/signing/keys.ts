import { z } from "zod";
import { type HmacKey, type ImportHmacKey, webHmacKey } from "./hmac.ts";

/** What the shared secret is for, and the algorithm of every signature between the Worker and the Node service. */
export const ALGORITHM = "hmac-sha256";

const MIN_KEY_LENGTH = 32;

const signingKey = z.object({
  /** Travels in the open with every signature. */
  keyid: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/),
  /** The secret itself: its UTF-8 bytes are the HMAC key. */
  key: z.string().min(MIN_KEY_LENGTH),
});

/** The keys file, and the Worker secret of the same content: one or two keys. The first signs, both verify. */
const keysFile = z
  .array(signingKey)
  .min(1)
  .max(2)
  .refine((keys) => new Set(keys.map(({ keyid }) => keyid)).size === keys.length, "keyids must differ");

/** The operator's mistake in the keys. Never says a key. */
export class SigningKeysError extends Error {
  override readonly name = "SigningKeysError";
}

export interface SigningKey {
  readonly keyid: string;
  readonly hmac: HmacKey;
}

/** During a rotation both ends accept two keys; each signs with its first. */
export interface SigningKeys {
  readonly signing: SigningKey;
  readonly accepted: ReadonlyMap<string, SigningKey>;
}

/** `text` = JSON, `[{"keyid": "2026-11", "key": "<at least 32 characters>"}]`. Throws `SigningKeysError`. */
export async function parseSigningKeys(text: string, importKey: ImportHmacKey = webHmacKey): Promise<SigningKeys> {
  const accepted = new Map<string, SigningKey>();
  for (const { keyid, key } of readKeys(text)) {
    accepted.set(keyid, { keyid, hmac: await importKey(key) });
  }
  const [signing] = accepted.values();
  if (signing === undefined) throw new SigningKeysError("There is no signing key.");
  return { signing, accepted };
}

function readKeys(text: string): z.infer<typeof keysFile> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds keys.
    throw new SigningKeysError("The signing keys are not JSON.");
  }
  const parsed = keysFile.safeParse(json);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the list"}: ${message}`);
  throw new SigningKeysError(`The signing keys are not valid: ${mistakes.join("; ")}.`);
}
