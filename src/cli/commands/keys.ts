import { text as readText } from "node:stream/consumers";
import { derivedSigningKeys } from "../../signing/derived-keys.ts";
import { adminKey } from "../admin-key.ts";
import { CliError, text, type Command } from "../command.ts";
import { DEFAULT_DATA, readSecret } from "../data-directory.ts";

export const keys: Command = {
  usage: "convection keys [--data DIR | --stdin] [--instance NAME | --node-actions]",
  summary: "Prints the admin key, derived from the deployment's secret, or the keys of its Node service.",
  options: {
    data: { type: "string", value: "DIR", help: `data directory of a local backend (default ${DEFAULT_DATA})` },
    stdin: { type: "boolean", help: "read CONVECTION_SECRET from standard input" },
    instance: {
      type: "string",
      value: "NAME",
      help: "CONVECTION_INSTANCE_NAME of the deployment (default convection)",
    },
    "node-actions": {
      type: "boolean",
      help: "print the keys file of the Node service; two secrets, one a line, give the keys of a rotation",
    },
  },
  async run(options) {
    if (options["node-actions"] === true) {
      process.stdout.write(`${await derivedSigningKeys(await findSecrets(options))}\n`);
      return;
    }
    const instance = text(options, "instance") ?? process.env["CONVECTION_INSTANCE_NAME"] ?? "convection";
    process.stdout.write(`${adminKey(await findSecret(options), instance)}\n`);
  },
};

/** The present one and, while it is being changed, the one before it: the order in which a Worker has them. */
async function findSecrets(options: Parameters<Command["run"]>[0]): Promise<readonly string[]> {
  const secrets = (await findText(options)).split(/\s+/);
  if (secrets.length > 2) throw new CliError("One or two secrets are expected, one a line.");
  return secrets.map(checkSecret);
}

async function findSecret(options: Parameters<Command["run"]>[0]): Promise<string> {
  return checkSecret(await findText(options));
}

/** An explicit option first, then the environment (a deployed backend), then the local data directory. */
async function findText(options: Parameters<Command["run"]>[0]): Promise<string> {
  const given = options["stdin"] === true ? await readText(process.stdin) : undefined;
  const environment = text(options, "data") === undefined ? process.env["CONVECTION_SECRET"] : undefined;
  return (given ?? environment)?.trim() ?? readSecret(text(options, "data") ?? DEFAULT_DATA);
}

function checkSecret(secret: string): string {
  if (!/^(?:[0-9a-fA-F]{2}){32,}$/.test(secret)) {
    throw new CliError("The secret must be at least 32 bytes in hexadecimal.");
  }
  return secret;
}
