import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanEnvironment, startBackend, type TestBackend } from "../support/backend.ts";
import { AppCopy, convex } from "../support/convex-cli.ts";
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

interface Status {
  readonly availableDeployments: readonly { readonly deploymentSelector: string; readonly url: string }[];
}

/** As an AI tool begins: says hello, and asks which deployment there is. */
async function selectDeployment(server: McpServer): Promise<string> {
  await server.request("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  });
  server.notify("notifications/initialized");
  const { availableDeployments } = (await server.tool("status", { projectDir: app.path })) as Status;
  const [deployment] = availableDeployments;
  if (deployment === undefined) throw new Error("no deployment is offered");
  expect(deployment).toMatchObject({ url: backend.url });
  return deployment.deploymentSelector;
}

test("TOOL1 convex mcp runs queries and functions and reads logs of this backend, without an account", async () => {
  await using server = new McpServer(app.path, backend);
  const deploymentSelector = await selectDeployment(server);

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

test("P-I-7 convex mcp lists tables, data, functions and variables, and runs functions", async () => {
  await using server = new McpServer(app.path, backend);
  const deploymentSelector = await selectDeployment(server);
  const { tools } = (await server.request("tools/list", {})) as { tools: { name: string }[] };
  const names = ["status", "data", "tables", "functionSpec", "run", "envList", "envGet", "envSet", "envRemove"];
  expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining([...names, "runOneoffQuery", "logs"]));
  const tool = (name: string, args: object = {}) => server.tool(name, { deploymentSelector, ...args });

  for (const body of ["1", "2", "3"]) {
    const args = JSON.stringify({ channel: "tables", body });
    expect(await tool("run", { functionName: "messages:send", args })).toMatchObject({
      logLines: [expect.stringContaining(`'sending' '${body}'`)],
    });
  }
  const { tables } = (await tool("tables")) as { tables: Record<string, { schema?: object; inferredSchema?: object }> };
  expect(tables["messages"]).toMatchObject({
    schema: {
      tableName: "messages",
      indexes: [{ indexDescriptor: "by_channel", fields: ["channel", "_creationTime"] }],
    },
    inferredSchema: { type: "Object" },
  });
  const page = { tableName: "messages", order: "desc", limit: 2 };
  const first = (await tool("data", page)) as { page: { body: string }[]; isDone: boolean; continueCursor: string };
  expect(first.page.map(({ body }) => body)).toEqual(["3", "2"]);
  expect(first.isDone).toBe(false);
  const { page: rest } = (await tool("data", { ...page, cursor: first.continueCursor })) as typeof first;
  expect(rest[0]?.body).toBe("1");

  const functions = (await tool("functionSpec")) as { identifier?: string }[];
  expect(functions.find(({ identifier }) => identifier === "messages.js:send")).toMatchObject({
    functionType: "Mutation",
    visibility: { kind: "public" },
    args: { type: "object" },
  });
  const failing = tool("run", { functionName: "log:fails", args: "{}" });
  await expect(failing).rejects.toThrow(/Failed to run function .*log:fails.*it failed/);

  // Values are told only to who asks for them.
  expect(await tool("envSet", { name: "MCP_SECRET", value: "xyzzy" })).toEqual({ success: true });
  expect(await tool("envList")).toEqual({ variables: [{ name: "MCP_SECRET" }] });
  expect(await tool("envList", { includeValues: true })).toEqual({
    variables: [{ name: "MCP_SECRET", value: "xyzzy" }],
  });
  expect(await tool("envGet", { name: "MCP_SECRET" })).toEqual({ value: "xyzzy" });
  expect(await tool("envRemove", { name: "MCP_SECRET" })).toEqual({ success: true });
  expect(await tool("envGet", { name: "MCP_SECRET" })).toEqual({ value: null });
  await expect(tool("insights")).rejects.toThrow("Insights are only available for cloud deployments.");
});

test("P-I-7 convex ai-files writes its files, and the app with them still goes to this backend", async () => {
  // Stands for the service that the texts come from; the skills, which npx would fetch, are switched off by it.
  await using texts = await serve((path) => {
    if (path === "/v1/guidelines") return "# Guidelines\n";
    return path === "/v1/version"
      ? JSON.stringify({ message: null, disableSkillsCli: true })
      : JSON.stringify({ latestRepoSha: null, skills: [] });
  });
  const environment = { CONVEX_VERSION_API_ORIGIN: texts.url, HOME: app.path };
  const aiFiles = (command: string) => convex(app.path, backend, ["ai-files", command], environment);
  const file = (path: string) => readFileSync(join(app.path, path), "utf8");

  const installed = await aiFiles("install");
  expect({ code: installed.code, stderr: installed.stderr }).toMatchObject({ code: 0 });
  expect(file("convex/_generated/ai/guidelines.md")).toBe("# Guidelines\n");
  for (const notes of ["AGENTS.md", "CLAUDE.md"]) expect(file(notes)).toContain("convex/_generated/ai/guidelines.md");
  expect((await aiFiles("status")).stderr).toContain("guidelines.md");

  expect(await convex(app.path, backend, ["deploy", "--typecheck", "disable"])).toMatchObject({ code: 0 });
  // Generating code leaves them where they are.
  expect(file("convex/_generated/ai/guidelines.md")).toBe("# Guidelines\n");

  expect(await aiFiles("disable")).toMatchObject({ code: 0 });
  expect(JSON.parse(file("convex.json"))).toMatchObject({ aiFiles: { enabled: false } });
});

async function serve(answer: (path: string) => string): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((request, response) => response.end(answer(request.url ?? "")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
