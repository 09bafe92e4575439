import type { LoadJob } from "./load.ts";

/** What is measured: the same work at a hand-written Worker and at Convection. */
export const WORKLOADS = [
  "get",
  "list",
  "insert",
  "modify",
  "hot",
  "noop",
  "actionQuery",
  "httpAction",
  "nodeNoop",
  "nodeQuery",
] as const;

export type Workload = (typeof WORKLOADS)[number];

export function isWorkload(name: string): name is Workload {
  return (WORKLOADS as readonly string[]).includes(name);
}

export type Request = Pick<LoadJob, "path" | "headers" | "bodies" | "expect">;

export interface Target extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** The process that everything of the target descends from. */
  readonly pid: number;
  /** Stores `documents` messages and all counters. Once. */
  seed(documents: number): Promise<void>;
  request(workload: Workload): Request;
  /** Sum of all counters. */
  total(): Promise<number>;
}

/** Sends one request; its answer must be as expected. */
export async function send(
  url: string,
  { path, headers, expect }: Omit<Request, "bodies">,
  body: string,
): Promise<string> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const text = await response.text();
  if (!response.ok || !text.includes(expect)) throw new Error(`${path} answered ${response.status} ${text}`);
  return text;
}
