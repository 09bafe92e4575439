const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const LENGTH_BYTES = 4;

/** A text and the bytes that go with it in one array: the length of the text, the text, the bytes. */
export function frame(head: string, bytes: Uint8Array | null): Uint8Array<ArrayBuffer> {
  const text = ENCODER.encode(head);
  const framed = new Uint8Array(LENGTH_BYTES + text.length + (bytes?.length ?? 0));
  new DataView(framed.buffer).setUint32(0, text.length);
  framed.set(text, LENGTH_BYTES);
  if (bytes !== null) framed.set(bytes, LENGTH_BYTES + text.length);
  return framed;
}

/** The bytes are a view of `framed`. */
export function unframe(framed: Uint8Array<ArrayBuffer>): {
  readonly head: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
} {
  const view = new DataView(framed.buffer, framed.byteOffset, framed.byteLength);
  const end = LENGTH_BYTES + view.getUint32(0);
  return { head: DECODER.decode(framed.subarray(LENGTH_BYTES, end)), bytes: framed.subarray(end) };
}
