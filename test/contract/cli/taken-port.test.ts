import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Backend } from "../../../src/cli/backend.ts";
import { freePorts, PortsTakenError } from "../../../src/cli/ports.ts";
import { FIXTURES } from "../../support/paths.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function taken(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  cleanups.push(() => server.close());
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

async function start(port: number, sitePort: number): Promise<Backend> {
  const statePath = mkdtempSync(join(tmpdir(), "convection-ports-"));
  cleanups.push(() => rmSync(statePath, { recursive: true, force: true }));
  return await Backend.start({
    workerPath: join(FIXTURES, "cli-backend/worker.js"),
    migrations: [],
    statePath,
    port,
    sitePort,
    variables: {},
    siteUrl: "http://127.0.0.1",
    watchdogMs: 10_000,
    stop: new AbortController().signal,
    inspectorPort: null,
  });
}

test("CLI16 a runtime whose API port or site port was taken says so, leaves nothing, and starts when it is free", async () => {
  const { server, port } = await taken();
  await expect(start(port, 0)).rejects.toThrow(PortsTakenError);
  await expect(start(0, port)).rejects.toThrow(PortsTakenError);
  server.close();
  await once(server, "close");
  const [other = 0] = await freePorts([{ option: "port", port: 0 }]);
  await using backend = await start(other, port);
  expect(backend).toBeInstanceOf(Backend);
  expect((await fetch(`http://127.0.0.1:${port}/version`)).status).toBeLessThan(500);
});
