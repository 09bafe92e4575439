import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { cleanEnvironment } from "../../support/backend.ts";
import { convex } from "../../support/convex-cli.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";

/** Commands of the official CLI that ask over the socket. */

const APP = join(FIXTURES, "sync-app");
let backend: TestBackend;

beforeAll(async () => {
  backend = await startBackend({ app: APP });
});
afterAll(() => backend.stop());

test("P-I-1 P-F-1 data, env and function-spec answer", async () => {
  const http = new FunctionClient(backend.url);
  await http.mutation("messages:send", { channel: "cli", body: "a row" });
  const run = async (...args: string[]) => {
    const result = await convex(APP, backend, args);
    expect(result).toMatchObject({ code: 0 });
    return result.stdout;
  };
  expect(await run("data")).toMatch(/messages/);
  expect(await run("data", "messages")).toMatch(/a row/);
  await run("env", "set", "CLI_TEST", "hello");
  expect(await run("env", "get", "CLI_TEST")).toMatch(/hello/);
  expect(await run("env", "list")).toMatch(/CLI_TEST/);
  const spec = JSON.parse(await run("function-spec")) as { functions: { identifier: string }[] };
  expect(spec.functions.map(({ identifier }) => identifier)).toContain("messages.js:list");
});

test("P-I-3 run --watch prints again when the result changes", async () => {
  const http = new FunctionClient(backend.url);
  await using watching = new Watching(["run", "messages:list", '{"channel":"watched"}', "--watch"]);
  await watching.process.until("stdout", /\[\]/);
  await http.mutation("messages:send", { channel: "watched", body: "news" });
  await watching.process.until("stdout", /news/);
});

class Watching implements AsyncDisposable {
  readonly process: Spawned;

  constructor(args: readonly string[]) {
    this.process = new Spawned(process.execPath, [join(ROOT, "node_modules/convex/bin/main.js"), ...args], {
      cwd: APP,
      env: {
        ...cleanEnvironment(),
        CONVEX_SELF_HOSTED_URL: backend.url,
        CONVEX_SELF_HOSTED_ADMIN_KEY: backend.adminKey,
        CI: "1",
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.kill();
  }
}
