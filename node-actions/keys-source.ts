import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Log } from "../src/shared/log.ts";
import { nodeHmacKey } from "./node-signing.ts";
import { parseSigningKeys, type SigningKeys } from "../src/signing/keys.ts";

/** The keys in use. Read once from standard input, or from a file, which is read again on SIGHUP: that is a rotation. */
export class KeysSource {
  readonly #file: string;
  #keys: SigningKeys;

  private constructor(file: string, keys: SigningKeys) {
    this.#file = file;
    this.#keys = keys;
  }

  static async open(file: string): Promise<KeysSource> {
    if (file !== "") return new KeysSource(file, await parseSigningKeys(await readFile(file, "utf8"), nodeHmacKey));
    const keys = await parseSigningKeys(await text(process.stdin), nodeHmacKey);
    // Nothing of it can be read again through /proc.
    process.stdin.destroy();
    return new KeysSource("", keys);
  }

  get keys(): SigningKeys {
    return this.#keys;
  }

  /** The keys stay as they are when the file can't be read. */
  async reload(log: Log): Promise<void> {
    if (this.#file === "") return;
    try {
      this.#keys = await parseSigningKeys(await readFile(this.#file, "utf8"), nodeHmacKey);
      log.info("signing keys read again", { keyids: [...this.#keys.accepted.keys()] });
    } catch (error) {
      log.error("the signing keys can't be read and stay as they are", error);
    }
  }
}
