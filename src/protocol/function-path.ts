/** A resolved function address inside one component. */
export interface FunctionPath {
  readonly component: string;
  /** Canonical module path with extension, e.g. `"dir/messages.js"`. */
  readonly module: string;
  readonly function: string;
}
