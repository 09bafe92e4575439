import { join } from "node:path";
import { startBackend } from "../test/support/backend.ts";
import { chunks, counterName, COUNTERS, message, MESSAGES_PER_CHANNEL, range } from "./data.ts";
import { type Request, send, type Target, type Workload } from "./target.ts";

export const BENCH_APP = join(import.meta.dirname, "app");

/** What the official client sends. */
const HEADERS = { "convex-client": "npm-1.48.0" };

export interface ConvectionTarget extends Target {
  readonly adminKey: string;
  /** Ids, in the order of their numbers. */
  readonly messages: readonly string[];
  readonly counters: readonly string[];
  query(path: string, args: unknown): Promise<unknown>;
  mutation(path: string, args: unknown): Promise<unknown>;
  action(path: string, args: unknown): Promise<unknown>;
  /** How often the function ran, as far as the function log goes back. */
  executions(name: string): Promise<number>;
}

/** `convection start` with the app of `bench/app`. `options`: further arguments of the command. */
export async function startConvection(options: readonly string[] = []): Promise<ConvectionTarget> {
  const backend = await startBackend({ app: BENCH_APP, args: options });
  const url = backend.url.replace(/\/$/, "");
  const messages: string[] = [];
  const counters: string[] = [];
  const one = async (kind: string, path: string, args: unknown): Promise<unknown> => {
    const answer: unknown = JSON.parse(await send(url, post(kind, path, []), body(path, args)));
    return (answer as { value: unknown }).value;
  };
  return {
    name: "Convection",
    url,
    adminKey: backend.adminKey,
    messages,
    counters,
    query: (path, args) => one("query", path, args),
    mutation: (path, args) => one("mutation", path, args),
    action: (path, args) => one("action", path, args),
    executions: async (name) => {
      const response = await fetch(`${url}/api/stream_function_logs?cursor=0`, {
        headers: { Authorization: `Convex ${backend.adminKey}` },
      });
      const { entries } = (await response.json()) as { entries: { kind: string; identifier: string }[] };
      return entries.filter(({ kind, identifier }) => kind === "Completion" && identifier === name).length;
    },
    pid: backend.process.process.pid ?? Number.NaN,
    async seed(documents) {
      const channels = documents / MESSAGES_PER_CHANNEL;
      for (const some of chunks(range(documents), 500)) {
        const batch = some.map((i) => message(i, channels));
        // oxlint-disable-next-line no-await-in-loop -- ids follow the order of the messages
        messages.push(...((await one("mutation", "messages:seed", { messages: batch })) as string[]));
      }
      const names = range(COUNTERS).map(counterName);
      counters.push(...((await one("mutation", "counters:create", { names })) as string[]));
    },
    request: (workload) => request(workload, messages, counters),
    total: async () => Number(await one("query", "counters:total", {})),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

function request(workload: Workload, messages: readonly string[], counters: readonly string[]): Request {
  const stored = messages.length;
  const channels = stored / MESSAGES_PER_CHANNEL;
  const ids = range(Math.min(1000, stored)).map((i) => ({ id: messages[(i * 7919) % stored] }));
  switch (workload) {
    case "get":
      return post("query", "messages:get", ids);
    case "list":
      return post(
        "query",
        "messages:list",
        range(Math.min(1000, channels)).map((i) => ({ channel: `channel ${(i * 7919) % channels}` })),
      );
    case "insert":
      return post(
        "mutation",
        "messages:insert",
        range(1000).map((i) => message(i, 50)),
      );
    case "modify":
      return post(
        "mutation",
        "counters:modify",
        range(COUNTERS).map((i) => ({ id: counters[(i * 7919) % COUNTERS] })),
      );
    case "hot":
      return post("mutation", "counters:modify", [{ id: counters[0] }]);
    case "noop":
      return post("action", "actions:noop", [{}]);
    case "actionQuery":
      return post("action", "actions:readMessage", ids);
    case "httpAction":
      return { path: "/http/noop", headers: {}, bodies: ["{}"], expect: "null" };
    case "nodeNoop":
      return post("action", "node:noop", [{}]);
    case "nodeQuery":
      return post("action", "node:readMessage", ids);
    default:
      return workload satisfies never;
  }
}

function post(kind: string, path: string, args: readonly unknown[]): Request {
  return { path: `/api/${kind}`, headers: HEADERS, bodies: args.map((one) => body(path, one)), expect: '"success"' };
}

function body(path: string, args: unknown): string {
  return JSON.stringify({ path, format: "convex_encoded_json", args: [args] });
}
