import { beforeEach, expect, test } from "vitest";
import type { AppVersion } from "../../../src/protocol/app.ts";
import { App } from "../../../src/runtime/code/app.ts";
import { Isolates, type IsolateRuntime } from "../../../src/runtime/code/isolates.ts";
import type { Variables } from "../../../src/runtime/code/variables.ts";
import { SCHEMA_LIMITS } from "../../../src/values/limits.ts";

function version(text: string): AppVersion {
  return {
    version: text,
    components: {},
    modules: [{ key: "app/m.js", path: "m.js", environment: "isolate", hash: "00" }],
    bundleKey: `bundle of ${text}`,
    importSeed: "",
    importTime: 0,
    npmVersion: "1.48.0",
    nodeVersion: null,
    authProviders: [],
  };
}

/** What the Worker Loader was asked for: code runs once per id, however often the id is named. */
let ids: string[];
let bundlesRead: string[];
let evaluated: Map<string, Promise<unknown>>;

beforeEach(() => {
  ids = [];
  bundlesRead = [];
  evaluated = new Map();
});

function isolates(): Isolates {
  const loader = {
    get(id: string, code: () => Promise<unknown>) {
      ids.push(id);
      if (!evaluated.has(id)) evaluated.set(id, code());
      return { getEntrypoint: () => ({}) };
    },
  } as unknown as WorkerLoader;
  const source = {
    app: () => Promise.reject(new Error("nobody asks for the app")),
    realms: (key: string) => {
      bundlesRead.push(key);
      return Promise.resolve({ "app/m.js": "export {}" });
    },
    realmEdits: () => Promise.reject(new Error("no stack is mapped")),
    sourceMap: () => Promise.resolve(null),
  };
  return new Isolates(loader, source, { harness: "", wrappers: "", version: "1" });
}

const VARIABLES: Variables = { GREETING: "hello" };

async function call(
  runtime: IsolateRuntime = "action",
  by: Isolates = isolates(),
  app: App = new App(version("v1"), SCHEMA_LIMITS),
  variables: Variables = VARIABLES,
): Promise<void> {
  await by.harness(app, variables, runtime);
  await Promise.all(evaluated.values());
}

test("S0-25 S1-16 the first call of an action goes where every later one goes, and code is loaded once", async () => {
  const worker = isolates();
  const app = new App(version("v1"), SCHEMA_LIMITS);
  for (let i = 0; i < 20; i++) await call("action", worker, app);
  expect(ids).toHaveLength(20);
  expect(new Set(ids).size).toBe(1);
  expect(bundlesRead).toEqual(["bundle of v1"]);
});

test("S0-25 another Worker that serves the same version calls the same isolate", async () => {
  await call();
  await call("action", isolates(), new App(version("v1"), SCHEMA_LIMITS), { ...VARIABLES });
  expect(new Set(ids).size).toBe(1);
  expect(bundlesRead).toHaveLength(1);
});

test("S0-25 one isolate per runtime, version and set of variables, and no more", async () => {
  const worker = isolates();
  const app = new App(version("v1"), SCHEMA_LIMITS);
  for (const runtime of ["action", "database", "action", "database"] satisfies IsolateRuntime[]) {
    await call(runtime, worker, app);
  }
  expect(new Set(ids).size).toBe(2);
  await call("action", worker, app, { GREETING: "changed" });
  expect(new Set(ids).size).toBe(3);
  await call("action", worker, new App(version("v2"), SCHEMA_LIMITS));
  expect(new Set(ids).size).toBe(4);
});
