import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { CliError } from "../../../src/cli/command.ts";
import { PortsTakenError, startOnPorts } from "../../../src/cli/ports.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(port: number): Promise<Server> {
  const server = createServer().listen(port, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return server;
}

const ANY = [
  { option: "port", port: 0 },
  { option: "site-port", port: 0 },
];

test("CLI16 ports that are lost between choosing and binding are chosen anew", async () => {
  const tried: (readonly number[])[] = [];
  const bound = await startOnPorts(ANY, async (ports) => {
    tried.push(ports);
    // Another process is faster, twice.
    if (tried.length < 3) {
      await listening(ports[1] ?? 0);
      throw new PortsTakenError("taken");
    }
    for (const port of ports) await listening(port);
    return ports;
  });
  expect(tried).toHaveLength(3);
  expect(new Set(tried.flat()).size).toBe(6);
  expect(bound).toBe(tried[2]);
});

test("CLI16 a port that was asked for and is lost is named", async () => {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const address = free.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  free.close();
  await once(free, "close");
  const started = startOnPorts([{ option: "port", port }], async ([wanted = 0]) => {
    await listening(wanted);
    throw new PortsTakenError("taken");
  });
  await expect(started).rejects.toThrow(
    new CliError(`Port ${port} is already in use. Stop what listens there, or choose another --port.`),
  );
});

test("CLI16 whatever else goes wrong is tried once, and a machine without ports is given up", async () => {
  let attempts = 0;
  const broken = startOnPorts(ANY, () => {
    attempts++;
    return Promise.reject(new Error("broken"));
  });
  await expect(broken).rejects.toThrow("broken");
  expect(attempts).toBe(1);
  const never = startOnPorts(ANY, () => {
    attempts++;
    return Promise.reject(new PortsTakenError("taken"));
  });
  await expect(never).rejects.toThrow(PortsTakenError);
  expect(attempts).toBe(11);
});
