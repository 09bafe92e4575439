import type { Log } from "../src/shared/log.ts";

/** One line of JSON per event on standard error. */
export function jsonLog(write: (line: string) => void = (line) => void process.stderr.write(line)): Log {
  const print = (level: string, event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  };
  return {
    info: (event, fields) => print("info", event, fields),
    warn: (event, fields) => print("warn", event, fields),
    error: (event, error, fields) => print("error", event, { ...fields, error: whole(error) }),
  };
}

function whole(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by ${whole(error.cause)}`;
  return (error.stack ?? `${error.name}: ${error.message}`) + cause;
}
