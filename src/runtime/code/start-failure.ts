import type { ThrownError } from "../../protocol/invocation.ts";

export interface StartFailure {
  /** Key of the module that V8 names first, `null` when it names none. */
  readonly module: string | null;
  readonly error: ThrownError;
}

const FAILED = /^Failed to start Worker:\s*\n(?:Uncaught )?(?:(\w*Error): )?([^]*?)((?:\n\s+at .+)*)\s*$/;

/**
 * What the platform says when the code of a loaded Worker does not even compile or link: a bad regular expression, a
 * name that the other module does not export. `null` when the error is of another kind.
 */
export function startFailure(error: unknown): StartFailure | null {
  const parts = FAILED.exec(error instanceof Error ? error.message : "");
  if (parts === null) return null;
  const [, name = "", message = "", stack = ""] = parts;
  const module = /\n\s+at (?:.*\()?(.+?):\d+(?::\d+)?\)?(?:\n|$)/.exec(stack)?.[1] ?? null;
  return { module, error: { name, message, stack: `${name}: ${message}${stack}` } };
}
