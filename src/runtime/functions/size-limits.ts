/** Of arguments and results, in bytes; `notes` follow the texts of the errors. */
export interface SizeLimits {
  readonly argumentBytes: number;
  readonly returnBytes: number;
  readonly notes: { readonly argsBytes?: string; readonly returnBytes?: string };
}
