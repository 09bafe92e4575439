import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanEnvironment, startBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";
import { Api, newGroup } from "../runtime/api.ts";

async function keysFor(...secrets: readonly string[]): Promise<string> {
  const command = [join(ROOT, "bin/convection.js"), "keys", "--node-actions", "--stdin"];
  const child = new Spawned(process.execPath, command, { env: cleanEnvironment(), stdin: secrets.join("\n") });
  if ((await child.exited) !== 0) throw new Error(child.stderr);
  return child.stdout;
}

test("NODE13 a service of its own takes the keys that the command prints, and a secret is changed while it runs", async () => {
  const [old, next] = [1, 2].map(() => randomBytes(32).toString("hex")) as [string, string];
  const directory = mkdtempSync(join(tmpdir(), "convection-node-"));
  chmodSync(directory, 0o755);
  const keysFile = join(directory, "keys.json");
  writeFileSync(keysFile, await keysFor(old), { mode: 0o600 });
  using app = new AppCopy(join(FIXTURES, "node-app"));
  const data = join(app.path, "data");
  const service = new Spawned(process.execPath, [join(ROOT, "dist/node-actions.js")], {
    env: {
      ...cleanEnvironment(),
      CONVECTION_NODE_PORT: "0",
      CONVECTION_NODE_KEYS_FILE: keysFile,
      CONVECTION_NODE_CACHE: join(directory, "cache"),
    },
  });
  const reread = async (times: number, ...secrets: readonly string[]): Promise<void> => {
    writeFileSync(keysFile, await keysFor(...secrets), { mode: 0o600 });
    service.process.kill("SIGHUP");
    await service.until("stderr", new RegExp(`(?:signing keys read again[^]*){${times}}`));
  };
  try {
    const [, port] = await service.until("stderr", /"port":(\d+)/);
    const NODE_ACTIONS_URL = `http://127.0.0.1:${port}`;
    const works = async (env: Record<string, string>, pushed?: string): Promise<void> => {
      const start = { data, env: { NODE_ACTIONS_URL, ...env } };
      await using backend = await startBackend(pushed === undefined ? start : { ...start, app: pushed });
      expect(backend.nodeActionsUrl).toBe(NODE_ACTIONS_URL);
      expect(await new Api(backend).value("action", "work:readsOwnWrites", { key: newGroup() })).toEqual([1, 2, 3]);
    };
    await works({ CONVECTION_SECRET: old }, app.path);
    await reread(1, old, next);
    await works({ CONVECTION_SECRET: old, CONVECTION_SECRET_PREVIOUS: old });
    await works({ CONVECTION_SECRET: next, CONVECTION_SECRET_PREVIOUS: old });
    await reread(2, next);
    await works({ CONVECTION_SECRET: next, CONVECTION_SECRET_PREVIOUS: old });
    await using strangers = await startBackend({ data, env: { NODE_ACTIONS_URL, CONVECTION_SECRET: old } });
    const refused = await new Api(strangers).call("action", "work:none");
    expect([refused.http, refused.code]).toEqual([503, "NodeActionsRefused"]);
    expect(refused.message).toContain("convection keys --node-actions");
  } finally {
    await service.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}, 300_000);
