import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api } from "../runtime/api.ts";
import { WAYS } from "./ways.ts";

/** Of the container, beside the deployment's own (P-E-5). */
const HOST_VARIABLES = ["PATH", "PWD", "LANG", "NODE_PATH", "TZ", "UTC"];

let app: AppCopy;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "node-app"));
  backend = await startBackend({ app: app.path, env: { HOST_ONLY: "of the operator" } });
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

async function set(name: string, value: string): Promise<void> {
  const result = await convex(app.path, backend, ["env", "set", name, value]);
  if (result.code !== 0) throw new Error(result.stderr);
}

test("P-E-5 P-E-2 a Node action sees the deployment's variables and six of the host, no others", async () => {
  await set("GREETING", "hello");
  const { names, greeting, urls } = await api.value("action", "work:variables");
  expect(greeting).toBe("hello");
  expect(urls).toEqual([backend.url, backend.siteUrl]);
  expect(names).toEqual(expect.arrayContaining(["CONVEX_CLOUD_URL", "CONVEX_SITE_URL", "GREETING", "PATH", "PWD"]));
  const own = ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL", "GREETING"];
  expect(names.filter((name: string) => ![...own, ...HOST_VARIABLES].includes(name))).toEqual([]);
});

test("P-E-1 a change of a variable is there in the next call, without a push; unset is undefined", async () => {
  for (const value of ["one", "two"]) {
    await set("GREETING", value);
    expect(await api.value("action", "work:readVariable", { rounds: 1 })).toEqual([value]);
  }
  expect((await convex(app.path, backend, ["env", "remove", "GREETING"])).code).toBe(0);
  expect((await api.value("action", "work:variables")).greeting).toBeNull();
});

test.each(WAYS)("P-E-1 P-E-5 %s a Node action has the variables of the deployment", async (_name, way) => {
  await set("GREETING", "by whoever");
  const { names, greeting } = await way.value(api, "work:variables");
  expect(greeting).toBe("by whoever");
  expect(names).not.toContain("HOST_ONLY");
});

test("P-E-1 fifty Node actions at once all read their variable", async () => {
  await set("GREETING", "for all");
  const calls = Array.from({ length: 50 }, () => api.value("action", "work:readVariable", { rounds: 5 }));
  expect(await Promise.all(calls)).toEqual(calls.map(() => ["for all"]));
});

test("P-E-5 no key, no secret and no token is in sight of user code", async () => {
  const seen: string = await api.value("action", "work:looksAround");
  expect(seen).toContain("GREETING");
  expect(seen).not.toContain("HOST_ONLY");
  expect(seen).not.toContain("CONVECTION_SECRET");
  expect(seen).not.toMatch(/keyid|"key"/);
  expect(seen).not.toContain(backend.adminKey.split("|")[1]);
});
