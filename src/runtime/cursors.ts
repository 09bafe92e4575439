import { z } from "zod";
import type { CursorCodec, CursorPosition, DecodedCursor } from "../engine/cursor.ts";
import type { IndexKey } from "../engine/names.ts";
import { type SealedText, UnsealError } from "./sealed-text.ts";

const contents = z.tuple([z.union([z.null(), z.string().regex(/^([0-9A-F]{2})*$/)]), z.string()]);

/**
 * Cursors that clients carry: sealed, because the position holds values of indexed fields that the client may not be
 * allowed to see, and deterministic, because reactive clients compare pages.
 */
export class SealedCursors implements CursorCodec {
  readonly #sealed: SealedText;

  constructor(sealed: SealedText) {
    this.#sealed = sealed;
  }

  async encode(position: CursorPosition, fingerprint: string): Promise<string> {
    const key = position.kind === "end" ? null : position.key;
    return this.#sealed.seal(JSON.stringify([key, await digest(fingerprint)]));
  }

  async decode(text: string, fingerprint: string): Promise<DecodedCursor> {
    let opened: string;
    try {
      opened = await this.#sealed.unseal(text);
    } catch (error) {
      if (error instanceof UnsealError) return { kind: "malformed" };
      throw error;
    }
    const [key, of] = contents.parse(JSON.parse(opened));
    if (of !== (await digest(fingerprint))) return { kind: "otherQuery" };
    return { kind: "valid", position: key === null ? { kind: "end" } : { kind: "after", key: key as IndexKey } };
  }
}

/** 96 bits tell queries apart; the seal is what makes a cursor authentic. */
async function digest(fingerprint: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(fingerprint)));
  return Array.from(bytes.slice(0, 12), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
