import { once } from "node:events";
import { createServer } from "node:net";
import { CliError } from "./command.ts";

export const HOST = "127.0.0.1";

export interface WantedPort {
  /** Of the command line. */
  readonly option: string;
  /** 0 = any free one. */
  readonly port: number;
}

/** What bound its ports too late: another process took one in between. */
export class PortsTakenError extends Error {
  override readonly name = "PortsTakenError";
}

const ATTEMPTS = 10;

/**
 * Starts what has to know its ports before it binds them: the public URLs are variables of the Worker. Ports that are
 * free now may be taken a moment later, and then (`start` rejects with `PortsTakenError`) others are chosen.
 */
export async function startOnPorts<T>(
  wanted: readonly WantedPort[],
  start: (ports: readonly number[]) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
    const ports = await freePorts(wanted);
    try {
      // oxlint-disable-next-line no-await-in-loop -- as above
      return await start(ports);
    } catch (error) {
      if (!(error instanceof PortsTakenError)) throw error;
      // With nothing to choose the next look says which option it is, or that the port is free again.
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** Port numbers that are free now, chosen together so that they differ. */
export async function freePorts(wanted: readonly WantedPort[]): Promise<number[]> {
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
