import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { chunks, counterName, COUNTERS, message, MESSAGES_PER_CHANNEL, range } from "./data.ts";
import { type Request, send, type Target, type Workload } from "./target.ts";

/** The hand-written Worker of `bench/baseline`. */
export async function startBaseline(): Promise<Target> {
  const process = fork(join(import.meta.dirname, "baseline/serve.ts"), { stdio: "inherit" });
  const [{ url }] = (await once(process, "message")) as [{ url: string }];
  let stored = 0;
  const one = (path: string, body: unknown): Promise<string> =>
    send(url, { path, headers: {}, expect: "" }, JSON.stringify(body));
  return {
    name: "baseline",
    url,
    pid: process.pid ?? Number.NaN,
    async seed(documents) {
      const channels = documents / MESSAGES_PER_CHANNEL;
      for (const some of chunks(range(documents), 500)) {
        // oxlint-disable-next-line no-await-in-loop -- ids follow the order of the messages
        await one("/seed", { messages: some.map((i) => message(i, channels)) });
      }
      await one("/create", { names: range(COUNTERS).map(counterName) });
      stored = documents;
    },
    request: (workload) => request(workload, stored),
    total: async () => Number(await one("/total", {})),
    async [Symbol.asyncDispose]() {
      process.disconnect();
      await once(process, "exit");
    },
  };
}

function request(workload: Workload, stored: number): Request {
  const channels = stored / MESSAGES_PER_CHANNEL;
  const ids = range(Math.min(1000, stored)).map((i) => ({ id: 1 + ((i * 7919) % stored) }));
  switch (workload) {
    case "get":
      return post("/get", ids, "quick brown");
    case "list":
      return post(
        "/list",
        range(Math.min(1000, channels)).map((i) => ({ channel: `channel ${(i * 7919) % channels}` })),
        "quick brown",
      );
    case "insert":
      return post(
        "/insert",
        range(1000).map((i) => message(i, 50)),
        "",
      );
    case "modify":
      return post(
        "/modify",
        range(COUNTERS).map((i) => ({ name: counterName((i * 7919) % COUNTERS) })),
        "",
      );
    case "hot":
      return post("/increment", [{}], "");
    case "noop":
      return post("/noop", [{}], "null");
    case "actionQuery":
      return post("/action-query", ids, "quick brown");
    case "httpAction":
      return post("/http-action", [{}], "null");
    case "nodeNoop":
      return post("/node-noop", [{}], "null");
    case "nodeQuery":
      throw new Error("the default runtime is the baseline of that: bench/node-actions.ts");
    default:
      return workload satisfies never;
  }
}

function post(path: string, bodies: readonly unknown[], expect: string): Request {
  return { path, headers: {}, bodies: bodies.map((body) => JSON.stringify(body)), expect };
}
