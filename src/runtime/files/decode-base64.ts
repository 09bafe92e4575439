import { Base64 } from "convex/values";

/** `null`: the text is no base64. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return new Uint8Array(Base64.toByteArray(text));
  } catch {
    // Whatever is wrong with it.
    return null;
  }
}
