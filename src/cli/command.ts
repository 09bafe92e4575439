import type { ParseArgsConfig } from "node:util";

/** A failure that the message explains completely: no stack is shown, the exit code is 1. */
export class CliError extends Error {
  override readonly name = "CliError";
}

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

export interface Command {
  readonly usage: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  /** Ends when the command is done. Data goes to stdout, everything else to stderr. */
  run(options: OptionValues): Promise<void>;
}

export interface CommandOption {
  readonly type: "string" | "boolean";
  /** Placeholder of the value, e.g. `DIR`. */
  readonly value?: string;
  /** `null` keeps the option out of the help: it is for our own tests. */
  readonly help: string | null;
}

export function parseConfig(command: Command): NonNullable<ParseArgsConfig["options"]> {
  const options: NonNullable<ParseArgsConfig["options"]> = { help: { type: "boolean", short: "h" } };
  for (const [name, option] of Object.entries(command.options)) options[name] = { type: option.type };
  return options;
}

export function helpText(command: Command): string {
  const rows = Object.entries(command.options).flatMap(([name, option]) => {
    if (option.help === null) return [];
    const left = option.value === undefined ? `--${name}` : `--${name} ${option.value}`;
    return [`  ${left.padEnd(20)} ${option.help}`];
  });
  return [command.summary, "", `Usage: ${command.usage}`, "", ...rows].join("\n");
}

export function text(options: OptionValues, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

/** A port number, 0 for a free one. */
export function port(options: OptionValues, name: string, fallback: number): number {
  const value = text(options, name);
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number > 65_535) {
    throw new CliError(`--${name} must be a port between 0 and 65535, not "${value}".`);
  }
  return number;
}
