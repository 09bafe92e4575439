import { text as readText } from "node:stream/consumers";
import { adminKey } from "../admin-key.ts";
import { CliError, text, type Command } from "../command.ts";
import { DEFAULT_DATA, readSecret } from "../data-directory.ts";

export const keys: Command = {
  usage: "convection keys [--data DIR | --stdin] [--instance NAME]",
  summary: "Prints the admin key, derived from the deployment's secret.",
  options: {
    data: { type: "string", value: "DIR", help: `data directory of a local backend (default ${DEFAULT_DATA})` },
    stdin: { type: "boolean", help: "read CONVECTION_SECRET from standard input" },
    instance: {
      type: "string",
      value: "NAME",
      help: "CONVECTION_INSTANCE_NAME of the deployment (default convection)",
    },
  },
  async run(options) {
    const instance = text(options, "instance") ?? process.env["CONVECTION_INSTANCE_NAME"] ?? "convection";
    process.stdout.write(`${adminKey(await findSecret(options), instance)}\n`);
  },
};

/** An explicit option first, then the environment (a deployed backend), then the local data directory. */
async function findSecret(options: Parameters<Command["run"]>[0]): Promise<string> {
  const given = options["stdin"] === true ? await readText(process.stdin) : undefined;
  const environment = text(options, "data") === undefined ? process.env["CONVECTION_SECRET"] : undefined;
  const secret = (given ?? environment)?.trim() ?? readSecret(text(options, "data") ?? DEFAULT_DATA);
  if (!/^(?:[0-9a-fA-F]{2}){32,}$/.test(secret)) {
    throw new CliError("The secret must be at least 32 bytes in hexadecimal.");
  }
  return secret;
}
