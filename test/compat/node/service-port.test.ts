import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { listeningPid } from "../../support/listening-pid.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api } from "../runtime/api.ts";

/** Ends whatever listens on the port until we do. */
async function take(url: string): Promise<Server> {
  for (;;) {
    const server = createServer();
    try {
      process.kill(listeningPid(url), "SIGKILL");
    } catch {
      // It has ended and is not back yet.
    }
    server.listen(Number(new URL(url).port), "127.0.0.1");
    try {
      await once(server, "listening");
      return server;
    } catch {
      // Taken again already.
    }
  }
}

test("NODE11 a service that finds its port taken when it starts again takes it as soon as it is free", async () => {
  using app = new AppCopy(join(FIXTURES, "node-app"));
  await using backend = await startBackend({ app: app.path });
  const api = new Api(backend);
  const url = backend.nodeActionsUrl ?? "";
  const server = await take(url);
  await backend.process.until("stderr", /Node service: .*EADDRINUSE/);
  server.close();
  await once(server, "close");
  await expect
    .poll(
      () =>
        fetch(`${url}/healthz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      { timeout: 60_000, interval: 50 },
    )
    .toBe(true);
  expect(await api.value("action", "work:echo", { value: "again" })).toBe("again");
});

test("CLI16 backends that start at once never lose a port to each other", async () => {
  const starts = await Promise.allSettled(Array.from({ length: 4 }, () => startBackend()));
  try {
    const urls = starts.flatMap((each) => {
      if (each.status === "rejected") throw each.reason;
      return [each.value.url, each.value.siteUrl, each.value.nodeActionsUrl];
    });
    expect(new Set(urls).size).toBe(12);
  } finally {
    for (const each of starts) if (each.status === "fulfilled") await each.value.stop();
  }
});
