import { once } from "node:events";
import { createServer } from "node:net";
import { CliError } from "./command.ts";

export const HOST = "127.0.0.1";

/**
 * Port numbers that are free now, chosen together so that they differ. The runtime binds them a moment later: the
 * public URLs are variables of the Worker, so they have to be known before it starts.
 */
export async function reservePorts(wanted: readonly { readonly option: string; readonly port: number }[]) {
  const servers = [];
  try {
    const ports: number[] = [];
    for (const { option, port } of wanted) {
      const server = createServer();
      servers.push(server);
      server.listen({ host: HOST, port, exclusive: true });
      await once(server, "listening").catch((error: unknown) => {
        throw taken(option, port, error);
      });
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("a TCP server has no port");
      ports.push(address.port);
    }
    return ports;
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function taken(option: string, port: number, error: unknown): CliError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "EADDRINUSE") {
    return new CliError(`Port ${port} is already in use. Stop what listens there, or choose another --${option}.`);
  }
  if (code === "EACCES") return new CliError(`Port ${port} may not be used by this user. Choose another --${option}.`);
  return new CliError(`Cannot listen on port ${port}: ${error instanceof Error ? error.message : String(error)}`);
}
