import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanEnvironment, startBackend, type TestBackend } from "../support/backend.ts";
import { AppCopy } from "../support/convex-cli.ts";
import { FIXTURES, ROOT } from "../support/paths.ts";

/** The CLI's server for AI tools, driven over its standard input and output. */
class McpServer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  #nextId = 1;

  constructor(project: string, backend: TestBackend) {
    this.#process = spawn(
      process.execPath,
      [join(ROOT, "node_modules/convex/bin/main.js"), "mcp", "start", "--project-dir", project],
      {
        cwd: project,
        env: {
          ...cleanEnvironment(),
          CI: "1",
          // Where it keeps its own configuration.
          HOME: project,
          CONVEX_SELF_HOSTED_URL: backend.url,
          CONVEX_SELF_HOSTED_ADMIN_KEY: backend.adminKey,
          CONVEX_PROVISION_HOST: backend.url,
          CONVEX_OVERRIDE_ACCESS_TOKEN: "anything",
        },
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    const { stdout } = this.#process;
    if (stdout === null) throw new Error("the server has an output");
    this.#lines = createInterface({ input: stdout });
  }

  async request(method: string, params: object): Promise<unknown> {
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      const onLine = (line: string) => {
        const message: { id?: number; result?: unknown; error?: { message: string } } = JSON.parse(line);
        if (message.id !== id) return;
        this.#lines.off("line", onLine);
        if (message.error === undefined) resolve(message.result);
        else reject(new Error(message.error.message));
      };
      this.#lines.on("line", onLine);
    });
    this.#send({ jsonrpc: "2.0", id, method, params });
    return answer;
  }

  notify(method: string): void {
    this.#send({ jsonrpc: "2.0", method });
  }

  /** What the tool answered, parsed; its text as it is when the tool failed. */
  async tool(name: string, args: object): Promise<unknown> {
    const result = (await this.request("tools/call", { name, arguments: args })) as {
      content: { text: string }[];
      isError?: boolean;
    };
    const text = result.content[0]?.text ?? "";
    if (result.isError === true) throw new Error(text);
    return JSON.parse(text);
  }

  #send(message: object): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
  }
}

let backend: TestBackend;
let app: AppCopy;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "system-app"));
  backend = await startBackend({ app: app.path });
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

test("TOOL1 convex mcp runs queries and functions and reads logs of this backend, without an account", async () => {
  await using server = new McpServer(app.path, backend);
  await server.request("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  });
  server.notify("notifications/initialized");
  const status = (await server.tool("status", { projectDir: app.path })) as {
    availableDeployments: { deploymentSelector: string; url: string }[];
  };
  const [deployment] = status.availableDeployments;
  expect(deployment).toMatchObject({ url: backend.url });
  const deploymentSelector = deployment?.deploymentSelector;

  await server.tool("run", {
    deploymentSelector,
    functionName: "messages:send",
    args: JSON.stringify({ channel: "mcp", body: "from a tool" }),
  });
  const query = `import { query } from "convex:/_system/repl/wrappers.js";
    export default query({ handler: async (ctx) => {
      console.log("counting");
      return (await ctx.db.query("messages").collect()).map(({ body }) => body);
    } });`;
  expect(await server.tool("runOneoffQuery", { deploymentSelector, query })).toMatchObject({
    result: ["from a tool"],
    logLines: ["[LOG] 'counting'"],
  });
  // Entries are collected behind the answers they belong to.
  const logs = async () => JSON.stringify(await server.tool("logs", { deploymentSelector, cursor: 0 }));
  await expect.poll(logs, { timeout: 20_000 }).toContain("counting");
  expect(await logs()).toContain("messages:send");
});
