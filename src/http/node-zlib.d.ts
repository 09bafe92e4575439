/** What this room uses of Node's zlib. The Worker's types know no Node modules; `nodejs_compat` provides this one. */
declare module "node:zlib" {
  export function brotliDecompress(
    input: Uint8Array,
    options: { readonly maxOutputLength: number },
    callback: (error: Error | null, result: Uint8Array) => void,
  ): void;
}
