import { parseArgs } from "node:util";
import { SettingsError } from "../protocol/parse-settings.ts";
import { CliError, helpText, parseConfig, type Command } from "./command.ts";

/** Loaded when called, so that `keys` does not pay for miniflare. */
const COMMANDS: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  start: {
    summary: "Run the backend on this machine",
    load: async () => (await import("./commands/start.ts")).start,
  },
  keys: {
    summary: "Print the admin key of a deployment",
    load: async () => (await import("./commands/keys.ts")).keys,
  },
};

try {
  await main(process.argv.slice(2));
  process.exitCode = 0;
} catch (error) {
  process.stderr.write(`convection: ${describe(error)}\n`);
  process.exitCode = 1;
}
// Everything a command started has been disposed of; a stray handle must not keep a finished command alive.
process.exit();

async function main(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(`${overview()}\n`);
    return;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw new CliError(`"${name}" is not a command. Run: convection --help`);
  const command = await entry.load();
  const { help, ...options } = parse(name, command, rest);
  if (help === true) process.stdout.write(`${helpText(command)}\n`);
  else await command.run(options);
}

function parse(name: string, command: Command, args: readonly string[]) {
  try {
    // `strict` leaves strings and booleans only: no option is declared `multiple`.
    const { values } = parseArgs({ args: [...args], options: parseConfig(command), strict: true });
    return Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, Array.isArray(value) ? undefined : value]),
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new CliError(`${reason}. Run: convection ${name} --help`);
  }
}

function overview(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`);
  return [
    "An open backend for Convex apps on Cloudflare.",
    "",
    "Usage: convection COMMAND [options]",
    "",
    ...rows,
    "",
    "convection COMMAND --help says more. Everything else (push, run, logs, env) is the official `convex` CLI.",
  ].join("\n");
}

function describe(error: unknown): string {
  if (error instanceof CliError || error instanceof SettingsError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
