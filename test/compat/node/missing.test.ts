import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api } from "../runtime/api.ts";

/** Node code that is not what it was when it was pushed. */

let app: AppCopy;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "node-proof-app"));
  backend = await startBackend({ app: app.path });
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

async function exports(value: string): Promise<void> {
  const { code, stderr } = await convex(app.path, backend, ["env", "set", "EXPORTS", value]);
  if (code !== 0) throw new Error(stderr);
}

const relay = (by: string, name: string) => api.error("action", by, { name, args: {} });

test("E-A-2b an export that was an action when it was pushed, and is not when it is called", async () => {
  expect(await api.value("action", "conditional:sometimes")).toBe("there");
  for (const [value, name, text] of [
    ["nothing", "sometimes", "Couldn't find action `sometimes` in `conditional.js`"],
    ["a number", "sometimes", "Couldn't find action `sometimes` in `conditional.js`"],
    ["an object", "other", "`other` wasn't registered as a Convex action in `conditional.js`"],
  ] as const) {
    await exports(value);
    const path = `conditional:${name}`;
    expect((await api.error("action", path)).trim()).toBe(text);
    expect(await relay("data:relay", path)).toContain(text);
    expect(await relay("node:relay", path)).toContain(text);
    // Others of the module are there.
    expect(await api.value("action", "conditional:always")).toBe(value);
  }
  await exports("everything");
  expect(await api.value("action", "conditional:sometimes")).toBe("there");
});
