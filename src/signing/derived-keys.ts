const LABEL = "convection/node-actions/signing";

/**
 * Signing keys of a deployment, as the text of a keys file (`keys.ts`): derived from its secrets by HKDF-SHA-256, the
 * present one first and equal ones once (a rotation begins so), so that the Node service holds nothing from which another key could be made.
 */
export async function derivedSigningKeys(secrets: readonly string[]): Promise<string> {
  return JSON.stringify(await Promise.all([...new Set(secrets)].map(derivedKey)));
}

async function derivedKey(secret: string): Promise<{ readonly keyid: string; readonly key: string }> {
  const material = await crypto.subtle.importKey("raw", encode(secret), "HKDF", false, ["deriveBits"]);
  const bits = (info: string): Promise<ArrayBuffer> =>
    crypto.subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encode(info) },
      material,
      256,
    );
  const keyid = hex(await bits(`${LABEL}/keyid`)).slice(0, 16);
  return { keyid, key: hex(await bits(LABEL)) };
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(text));
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
