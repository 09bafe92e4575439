/** The part of Node's zlib that exports use; workerd has it under `nodejs_compat`. */
declare module "node:zlib" {
  export const constants: { readonly Z_SYNC_FLUSH: number };
  export function crc32(bytes: Uint8Array, value?: number): number;
  export function deflateRawSync(bytes: Uint8Array, options: { readonly finishFlush: number }): Uint8Array;
}
