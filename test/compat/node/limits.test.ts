import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api, newGroup } from "../runtime/api.ts";
import { WAYS } from "./ways.ts";

const TIMEOUT_NOTE = " [CONVECTION_NODE_ACTION_TIMEOUT_MS=2000]";
const MEMORY_NOTE = " [CONVECTION_NODE_MEMORY_BYTES=134217728]";

let app: AppCopy;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "node-app"));
  backend = await startBackend({
    app: app.path,
    env: {
      CONVECTION_NODE_ACTION_TIMEOUT_MS: "2000",
      CONVECTION_NODE_MEMORY_BYTES: String(128 * 1024 * 1024),
      CONVECTION_NODE_ARGS_BYTES: "1048576",
      CONVECTION_CONCURRENT_OPERATIONS: "10",
    },
  });
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

// Not by a Node action: its own time is over as soon.
describe.each(WAYS.filter(([name]) => !name.endsWith("Node action")))("%s", (_name, way) => {
  test("S0-39 S0-41 E-C-2 an action over its time is ended; what it wrote before stays, what came after never comes", async () => {
    const key = newGroup();
    const error = await way.error(api, "work:writesThenSleeps", { key, ms: 4000 });
    expect(error.trim()).toBe(`Action \`writesThenSleeps\` execution timed out (maximum duration 2s)${TIMEOUT_NOTE}`);
    expect(await api.value("query", "notes:count", { key })).toBe(1);
    expect(await way.value(api, "work:sleeps", { ms: 10 })).toBe("slept");
  });

  test("E-C-2 one that never listens is ended by force, with the words of the host", async () => {
    expect((await way.error(api, "work:loops")).trim()).toBe(
      "Function execution unexpectedly timed out. Check your function for infinite loops or other long-running operations." +
        TIMEOUT_NOTE,
    );
    expect(await way.value(api, "work:echo", { value: 1 })).toBe(1);
  });
});

describe.each(WAYS)("%s", (_name, way) => {
  test("S0-40 S0-41 E-C-5 memory ends the call that took it and no other", async () => {
    const neighbour = way.value(api, "work:sleeps", { ms: 1000 });
    expect((await way.error(api, "work:allocates", { megabytes: 400 })).trim()).toBe(
      `JavaScript execution ran out of memory (maximum memory usage: 128 MB)${MEMORY_NOTE}`,
    );
    expect(await neighbour).toBe("slept");
  });

  test("S0-41 S0-42 the limits of arguments and of operations are settings", async () => {
    expect(await way.error(api, "work:echo", { value: "x".repeat(1_100_000) })).toContain("The maximum size is 1 MiB.");
    const { fulfilled, refused } = await way.value(api, "work:many", { key: newGroup(), operations: 12 });
    expect([fulfilled, refused.length]).toEqual([10, 2]);
    expect(refused[0]).toContain("[CONVECTION_CONCURRENT_OPERATIONS=10]");
  });
});
