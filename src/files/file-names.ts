import type { FileNames } from "../engine/file-store.ts";
import type { InternalId } from "../engine/names.ts";
import { fromHex, toHex } from "../shared/bytes.ts";

const BLOCK_BYTES = 16;
const ZERO_IV = new Uint8Array(BLOCK_BYTES);

/**
 * Both directions between the internal id of a file and its public UUID, without storing either with the other: an id
 * is one block of AES, and the UUID is that block encrypted. So a UUID says nothing about the id, nobody can make one
 * without the key, and making one writes nothing: queries may.
 *
 * WebCrypto has no bare block cipher. The first block of CBC with a zero initialisation vector is one.
 */
export class EncryptedFileNames implements FileNames {
  readonly #key: Promise<CryptoKey>;

  /** `secret`: of the deployment, and never another one: URLs of files are stored in documents for good. */
  constructor(secret: string) {
    this.#key = deriveKey(secret);
  }

  async uuid(id: InternalId): Promise<string> {
    const hex = toHex(await this.#encrypt(new Uint8Array(fromHex(id)))).toLowerCase();
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }

  async id(uuid: string): Promise<InternalId> {
    const block = fromHex(uuid.replaceAll("-", ""));
    // CBC takes only whole messages: this one is the block and the padding that follows a message of one block.
    const padding = await this.#encrypt(block.map((byte) => byte ^ BLOCK_BYTES));
    const message = new Uint8Array([...block, ...padding]);
    const id = await crypto.subtle.decrypt({ name: "AES-CBC", iv: ZERO_IV }, await this.#key, message);
    return toHex(new Uint8Array(id)) as InternalId; // The hex of 16 bytes is an internal id.
  }

  async #encrypt(block: Uint8Array): Promise<Uint8Array> {
    const message = await crypto.subtle.encrypt(
      { name: "AES-CBC", iv: ZERO_IV },
      await this.#key,
      new Uint8Array(block),
    );
    return new Uint8Array(message, 0, BLOCK_BYTES);
  }
}

async function deriveKey(secret: string): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  const base = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  const info = encoder.encode("convection file names v1");
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info },
    base,
    { name: "AES-CBC", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}
