import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { cleanEnvironment, startBackend, type StartOptions } from "../support/backend.ts";
import { AppCopy } from "../support/convex-cli.ts";
import { FIXTURES, ROOT } from "../support/paths.ts";
import { Spawned } from "../support/spawned.ts";

const BIN = join(ROOT, "bin/convection.js");
const FIXTURE_WORKER = [
  "--worker",
  join(FIXTURES, "cli-backend/worker.js"),
  "--migrations",
  join(FIXTURES, "cli-backend/migrations"),
];

/** A Node of the host that is not the pinned one, "" when there is none. */
const HOST_NODE =
  ["/usr/bin/node", "/usr/local/bin/node"].find(
    (path) => existsSync(path) && version(path) !== version(process.execPath),
  ) ?? "";

function version(node: string): string {
  return spawnSync(node, ["--version"], { encoding: "utf8" }).stdout;
}

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function started(options: StartOptions = {}) {
  const backend = await startBackend({ ...options, args: [...FIXTURE_WORKER, ...(options.args ?? [])] });
  cleanups.push(() => backend.kill());
  return backend;
}

/** Runs a command that is expected to end by itself. */
async function run(args: readonly string[], options: { env?: Record<string, string>; stdin?: string } = {}) {
  const child = new Spawned(process.execPath, [BIN, ...args], {
    ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    env: { ...cleanEnvironment(), ...options.env },
  });
  cleanups.push(() => child.kill());
  return { code: await child.exited, stdout: child.stdout, stderr: child.stderr };
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "convection-test-"));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Pids of a process and its descendants, read from /proc. */
function family(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(family)];
}

/** A process that ended but whose parent has not asked for its status yet (`Z`) does nothing any more. */
function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
  } catch {
    return false; // there is no such process
  }
}

test("CLI1 --json prints exactly one line on stdout, logs go to stderr, and the Worker has its bindings", async () => {
  const backend = await started();
  expect(await (await fetch(`${backend.url}/bindings`)).json()).toEqual({
    notes: ["one; with a semicolon", "two"],
    count: 1,
    loaded: "loaded",
  });
  await fetch(`${backend.url}/log`);
  await backend.process.until("stderr", /a line of the worker/);
  expect(await backend.stop()).toBe(0);
  expect(backend.process.stdout.split("\n")).toHaveLength(2);
  expect(JSON.parse(backend.process.stdout)).toEqual({
    url: backend.url,
    siteUrl: backend.siteUrl,
    adminKey: backend.adminKey,
    nodeActionsUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
  });
});

test.each([
  ["SIGTERM", "to the command"],
  ["SIGINT", "to the command"],
  ["SIGINT", "to its whole group, as by a terminal"],
] as const)(
  "CLI2 %s %s ends every process without force, exits with 0 and removes ephemeral data",
  async (signal, receiver) => {
    const data = temporary();
    const backend = await started({ env: { TMPDIR: data } });
    const pid = backend.process.process.pid ?? 0;
    const pids = family(pid);
    expect(pids.length).toBeGreaterThan(1);
    expect(readdirSync(data)).not.toEqual([]);
    process.kill(receiver === "to the command" ? pid : -pid, signal);
    expect(await backend.process.exited).toBe(0);
    expect(backend.process.stderr).not.toMatch(/was killed|crashed/);
    expect(pids.filter(alive)).toEqual([]);
    expect(readdirSync(data).filter((name) => name.startsWith("convection-"))).toEqual([]);
  },
);

test.skipIf(HOST_NODE === "")(
  "CLI3 called by its path under the host's Node it runs under the pinned one and passes signals on",
  async () => {
    const child = new Spawned(
      HOST_NODE,
      [BIN, "start", "--ephemeral", "--json", "--port", "0", "--site-port", "0", ...FIXTURE_WORKER],
      {
        env: cleanEnvironment(),
      },
    );
    cleanups.push(() => child.kill());
    await child.until("stdout", /\n/);
    const [wrapper = 0, inner = 0] = family(child.process.pid ?? 0);
    expect(wrapper).toBe(child.process.pid);
    expect(version(`/proc/${inner}/exe`)).toBe(version(process.execPath));
    expect(await child.stop()).toBe(0);
    expect(alive(inner)).toBe(false);

    const failing = new Spawned(HOST_NODE, [BIN, "start", "--port", "many"], { env: cleanEnvironment() });
    expect(await failing.exited).toBe(1);
  },
);

test.skipIf(HOST_NODE === "")("CLI4 when the wrapper is killed its child stops too", async () => {
  const child = new Spawned(
    HOST_NODE,
    [BIN, "start", "--ephemeral", "--json", "--port", "0", "--site-port", "0", ...FIXTURE_WORKER],
    {
      env: cleanEnvironment(),
    },
  );
  cleanups.push(() => child.kill());
  await child.until("stdout", /\n/);
  const pids = family(child.process.pid ?? 0);
  child.process.kill("SIGKILL");
  // `exited` waits for the pipes, which the children hold open until they end.
  await child.exited;
  expect(child.stderr).toContain("Stopping");
  // The last of them closes its pipes a moment before it is gone.
  await expect.poll(() => pids.filter(alive), { timeout: 60_000 }).toEqual([]);
});

test("CLI5 a taken port, a bad port, a missing app and a missing Worker are one sentence and exit code 1", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  cleanups.push(() => server.close());
  await once(server, "listening");
  const address = server.address();
  const taken = typeof address === "object" && address !== null ? String(address.port) : "";
  const ephemeral = ["start", "--ephemeral", "--site-port", "0", ...FIXTURE_WORKER];
  const bare = temporary();
  mkdirSync(join(bare, "convex"));
  const cases: [string[], string][] = [
    [
      [...ephemeral, "--port", taken],
      `Port ${taken} is already in use. Stop what listens there, or choose another --port.`,
    ],
    [[...ephemeral, "--port", "70000"], '--port must be a port between 0 and 65535, not "70000".'],
    [[...ephemeral, "--port", "0", "--dir", "/no/such/app"], "There is no directory /no/such/app."],
    [
      [...ephemeral, "--port", "0", "--dir", bare],
      `The npm package "convex" is not installed in ${bare}. Run there: npm install convex`,
    ],
    [
      ["start", "--ephemeral", "--port", "0", "--worker", "/no/worker.js"],
      "/no/worker.js is missing. Run: npm run build",
    ],
    [["start", "--bogus"], "Unknown option '--bogus'. Run: convection start --help"],
    [["stop"], '"stop" is not a command. Run: convection --help'],
  ];
  for (const [args, message] of cases) {
    expect(await run(args)).toEqual({ code: 1, stdout: "", stderr: `convection: ${message}\n` });
  }
});

test("CLI6 a broken or unknown setting is refused by name, a changed one is printed and reaches the Worker", async () => {
  const args = ["start", "--ephemeral", "--port", "0", "--site-port", "0", ...FIXTURE_WORKER];
  const broken = await run(args, { env: { CONVECTION_LOG_LINES: "many", CONVECTION_ACTON_TIMEOUT_MS: "5" } });
  expect(broken).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "convection: CONVECTION_LOG_LINES=many must be a whole number of at least 0. CONVECTION_ACTON_TIMEOUT_MS is " +
      "not a setting. Did you mean CONVECTION_ACTION_TIMEOUT_MS? docs/settings.md lists every setting.\n",
  });
  const backend = await started({ env: { CONVECTION_ACTION_TIMEOUT_MS: "2000", CONVECTION_INSTANCE_NAME: "other" } });
  await backend.process.until("stderr", /Settings: CONVECTION_ACTION_TIMEOUT_MS=2000\n/);
  expect(backend.adminKey).toMatch(/^other\|[0-9a-f]+$/);
  expect(await (await fetch(`${backend.url}/variables`)).json()).toMatchObject({
    CONVECTION_ACTION_TIMEOUT_MS: "2000",
    CONVECTION_REDACT_ERRORS: "false",
    CONVEX_CLOUD_URL: backend.url,
    CONVEX_SITE_URL: backend.siteUrl,
  });
});

test("CLI7 a data directory serves one backend at a time, keeps its data, and survives a crash", async () => {
  const data = join(temporary(), "data");
  const first = await started({ data });
  const second = await run(["start", "--data", data, "--port", "0", "--site-port", "0", ...FIXTURE_WORKER]);
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(
    /^convection: The data directory .+ is in use by another backend \(process \d+\)\. .+\n$/,
  );
  expect(statSync(join(data, "secret")).mode & 0o777).toBe(0o600);
  expect((await fetch(`${first.url}/note`, { method: "POST", body: "kept" })).status).toBe(204);
  expect(await (await fetch(`${first.url}/bindings`)).json()).toMatchObject({ count: 1 });

  await first.kill(); // the lock file stays behind
  expect(existsSync(join(data, "lock"))).toBe(true);
  const third = await started({ data });
  expect(third.adminKey).toBe(first.adminKey);
  expect(await (await fetch(`${third.url}/bindings`)).json()).toMatchObject({
    notes: ["one; with a semicolon", "two", "kept"],
    count: 2,
  });
  expect(third.logs).not.toContain("migration");
  expect(await third.stop()).toBe(0);
  expect(existsSync(join(data, "lock"))).toBe(false);

  // A recycled pid: the lock names a living process that started at another time.
  writeFileSync(join(data, "lock"), `${process.pid} 1\n`);
  expect(await (await started({ data })).stop()).toBe(0);
});

test("CLI8 keys prints the admin key of a data directory, or of a secret on stdin or in the environment", async () => {
  const data = join(temporary(), "data");
  const backend = await started({ data });
  const key = { code: 0, stdout: `${backend.adminKey}\n`, stderr: "" };
  const secret = readFileSync(join(data, "secret"), "utf8");
  expect(await run(["keys", "--data", data])).toEqual(key);
  expect(await run(["keys", "--stdin"], { stdin: secret })).toEqual(key);
  expect(await run(["keys"], { env: { CONVECTION_SECRET: secret.trim() } })).toEqual(key);
  const named = await run(["keys", "--data", data, "--instance", "other"]);
  expect(named.stdout).toMatch(/^other\|[0-9a-f]{66}\n$/);
  expect(named.stdout.split("|")[1]).not.toBe(backend.adminKey.split("|")[1]);
  expect(await run(["keys", "--stdin"], { stdin: "short" })).toEqual({
    code: 1,
    stdout: "",
    stderr: "convection: The secret must be at least 32 bytes in hexadecimal.\n",
  });
});

test("CLI9 --dir pushes the app once with the official CLI, without the caller's deployment or .env.local", async () => {
  using app = new AppCopy(join(FIXTURES, "cli-app"));
  writeFileSync(join(app.path, ".env.local"), "CONVEX_DEPLOYMENT=dev:someone-elses\n");
  const backend = await started({ app: app.path, env: { CONVEX_DEPLOYMENT: "dev:another", CONVEX_DEPLOY_KEY: "x|y" } });
  expect(await (await fetch(`${backend.url}/bindings`)).json()).toMatchObject({
    notes: ["one; with a semicolon", "two", `push Convex ${backend.adminKey}`],
  });
  expect(readFileSync(join(app.path, ".env.local"), "utf8")).toBe("CONVEX_DEPLOYMENT=dev:someone-elses\n");
  expect(existsSync(join(app.path, "convex/_generated/api.d.ts"))).toBe(true);
  expect(backend.process.stdout.split("\n")).toHaveLength(2);
});

test("CLI10 a push that fails ends start with exit code 1 and the CLI's own message", async () => {
  using app = new AppCopy(join(FIXTURES, "cli-app"));
  const result = await run(
    ["start", "--ephemeral", "--port", "0", "--site-port", "0", "--json", "--dir", app.path, ...FIXTURE_WORKER],
    { env: { CONVECTION_INSTANCE_NAME: "refuses-pushes" } },
  );
  expect(result.code).toBe(1);
  expect(result.stdout).toBe("");
  expect(result.stderr).toContain("this backend refuses pushes");
  expect(result.stderr).toContain(`convection: The official CLI could not push ${app.path} (exit code 1).`);
});

test("CLI11 the site port serves under the site origin whatever name the caller used, and streams both ways", async () => {
  const backend = await started();
  const asLocalhost = backend.siteUrl.replace("127.0.0.1", "localhost");
  let send: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      send = controller;
      controller.enqueue(new TextEncoder().encode("first, "));
    },
  });
  const streaming = { method: "POST", body, duplex: "half" };
  const response = await fetch(`${asLocalhost}/path?q=1`, streaming);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect(await reader?.read()).toEqual({ done: false, value: `site ${backend.siteUrl}/path?q=1\n` });
  send?.enqueue(new TextEncoder().encode("sent after the answer began"));
  send?.close();
  expect(await reader?.read()).toEqual({ done: false, value: "first, sent after the answer began" });
  expect(await reader?.read()).toEqual({ done: true, value: undefined });
});

test("CLI15 it runs from any folder, with paths relative to that folder", async () => {
  const folder = temporary();
  const child = new Spawned(
    process.execPath,
    [BIN, "start", "--data", "here", "--json", "--port", "0", "--site-port", "0", ...FIXTURE_WORKER],
    { cwd: folder, env: cleanEnvironment() },
  );
  cleanups.push(() => child.kill());
  const [line] = await child.until("stdout", /^.*\n/);
  const ready: Record<string, string> = JSON.parse(line);
  expect(await (await fetch(`${ready["url"]}/version`)).text()).toBe("fixture");
  expect(readdirSync(folder)).toEqual(["here"]);
  expect(await child.stop()).toBe(0);
});

test("CLI12 WebSockets pass on the API port", async () => {
  const backend = await started();
  const socket = new WebSocket(`${backend.url.replace("http", "ws")}/socket`);
  await once(socket, "open");
  const message = once(socket, "message");
  socket.send("hello");
  const [event]: unknown[] = await message;
  expect(event).toMatchObject({ data: "echo hello" });
  socket.close();
});

test("CLI13 an endless loop in user code is ended by restarting the runtime, on the same ports, with its data", async () => {
  const backend = await started({ env: { CONVECTION_WATCHDOG_MS: "3000" } });
  await fetch(`${backend.url}/note`, { method: "POST", body: "kept" });
  await expect(fetch(`${backend.url}/hang`)).rejects.toThrow();
  await backend.process.until("stderr", /has not answered for 3 s \(CONVECTION_WATCHDOG_MS\)[\s\S]+is up again/);
  expect(await (await fetch(`${backend.url}/bindings`)).json()).toMatchObject({
    notes: ["one; with a semicolon", "two", "kept"],
  });
  expect((await fetch(`${backend.siteUrl}/`)).status).toBe(200);
  expect(await backend.stop()).toBe(0);
});

test("P-X-9 two ephemeral backends run side by side on ports of their own", async () => {
  const [one, two] = await Promise.all([started(), started()]);
  expect(new Set([one.url, one.siteUrl, two.url, two.siteUrl]).size).toBe(4);
  expect(one.adminKey).not.toBe(two.adminKey);
  await fetch(`${one.url}/note`, { method: "POST", body: "only here" });
  expect(await (await fetch(`${two.url}/bindings`)).json()).toMatchObject({ notes: ["one; with a semicolon", "two"] });
});

test("CLI14 help goes to stdout and hides what is for tests", async () => {
  const overview = await run(["--help"]);
  expect(overview).toMatchObject({ code: 0, stderr: "" });
  expect(overview.stdout).toContain("start");
  const help = await run(["start", "--help"]);
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toContain("--site-port N");
  expect(help.stdout).not.toContain("--worker");
});
