/** Structured operator log. Never given user values, argument bodies or secrets. */
export interface Log {
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  /** `error` is logged whole, with stack and cause. */
  error(event: string, error: unknown, fields?: Readonly<Record<string, unknown>>): void;
}
