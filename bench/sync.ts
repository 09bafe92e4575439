import { readdirSync, readFileSync } from "node:fs";
import { startBaseline } from "./baseline-target.ts";
import { type ConvectionTarget, startConvection } from "./convection-target.ts";
import { cpuSeconds } from "./cpu-time.ts";
import { median } from "./statistics.ts";
import { send, type Target } from "./target.ts";

export interface SyncReport {
  readonly delivery: readonly Delivery[];
  /** How often the query of 1000 subscribers ran, for so many commits. */
  readonly runs: { readonly commits: number; readonly runs: number };
  /** Bytes of resident memory of the runtime for one idle socket with one query. */
  readonly idle: { readonly sockets: number; readonly bytesEach: number; readonly baselineBytesEach: number };
  readonly growth: {
    readonly subscriptions: readonly [number, number];
    readonly p50Ms: readonly [number, number];
    readonly cpuMicroseconds: readonly [number, number];
  };
}

/** Milliseconds from the start of a write to the update at a subscriber, and from its answer. */
export interface Delivery {
  readonly subscribers: number;
  readonly baseline: Times;
  readonly convection: Times;
}

interface Times {
  readonly p50: number;
  readonly p99: number;
  /** Negative when the update was there before the answer. */
  readonly afterAnswer: { readonly p50: number; readonly p99: number };
}

export interface SyncPlan {
  readonly subscribers: readonly number[];
  readonly writes: number;
  readonly idleSockets: number;
  readonly subscriptions: readonly [number, number];
}

export const FULL_SYNC: SyncPlan = {
  subscribers: [1, 100, 1000],
  writes: 100,
  idleSockets: 2000,
  subscriptions: [100, 10_000],
};
export const QUICK_SYNC: SyncPlan = { subscribers: [1, 20], writes: 10, idleSockets: 50, subscriptions: [10, 200] };

const WARM_UP = 20;

export async function measureSync(plan: SyncPlan): Promise<SyncReport> {
  const delivery: Delivery[] = [];
  await using convection = await startConvection();
  await using baseline = await startBaseline();
  await convection.seed(1000);
  let runs = { commits: 0, runs: 0 };
  for (const subscribers of plan.subscribers) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const theirs = await deliver(baseline, subscribers, plan.writes, {
      path: "/broadcast",
      first: null,
      write: () => send(baseline.url, { path: "/publish", headers: {}, expect: "" }, "{}"),
      value: (frame) => (frame as { value?: number }).value,
    });
    const before = await queryRuns(convection);
    const id = convection.counters[0] ?? "";
    // oxlint-disable-next-line no-await-in-loop -- as above
    const ours = await deliver(convection, subscribers, plan.writes, {
      path: "/api/1.48.0/sync",
      first: subscribing("counters:get", [{ id }]),
      write: () => convection.mutation("counters:modify", { id }),
      value: updatedValue,
    });
    runs = { commits: plan.writes + WARM_UP, runs: (await queryRuns(convection)) - before };
    delivery.push({ subscribers, baseline: theirs, convection: ours });
    console.log(
      `sync at ${subscribers}: p50 ${theirs.p50.toFixed(2)} ${ours.p50.toFixed(2)} ms, ` +
        `after the answer ${theirs.afterAnswer.p50.toFixed(2)} ${ours.afterAnswer.p50.toFixed(2)} ms`,
    );
  }
  return { delivery, runs, idle: await measureIdle(plan.idleSockets), growth: await measureSubscriptions(plan) };
}

interface Live {
  readonly path: string;
  /** Frame that subscribes. */
  readonly first: string | null;
  readonly write: () => Promise<unknown>;
  /** The number that a frame brings, if it brings one. */
  readonly value: (frame: unknown) => number | undefined;
}

async function deliver(target: Target, subscribers: number, writes: number, live: Live): Promise<Times> {
  const sockets = await openSockets(target.url, live.path, subscribers);
  let arrived = (_value: number): void => undefined;
  for (const socket of sockets) {
    socket.addEventListener("message", ({ data }) => {
      const value = live.value(JSON.parse(String(data)));
      if (value !== undefined) arrived(value);
    });
  }
  const everybody = (): Promise<number[]> => {
    const times: number[] = [];
    return new Promise((resolve) => {
      arrived = () => {
        if (times.push(performance.now()) === subscribers) resolve(times);
      };
    });
  };
  if (live.first !== null) {
    const subscribed = everybody();
    for (const socket of sockets) socket.send(live.first);
    await subscribed;
  }
  const latencies: number[] = [];
  const afterAnswer: number[] = [];
  for (let i = 0; i < WARM_UP + writes; i++) {
    const updated = everybody();
    const started = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- a write begins when everybody has seen the last
    await live.write();
    const answered = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- as above
    const times = await updated;
    if (i < WARM_UP) continue;
    latencies.push(...times.map((time) => time - started));
    afterAnswer.push(...times.map((time) => time - answered));
  }
  closeSockets(sockets);
  return {
    p50: median(latencies),
    p99: percentile(latencies, 0.99),
    afterAnswer: { p50: median(afterAnswer), p99: percentile(afterAnswer, 0.99) },
  };
}

/** Executions of the subscribed query so far, by the function log. */
async function queryRuns(target: ConvectionTarget): Promise<number> {
  return target.executions("counters:get");
}

async function measureIdle(count: number): Promise<SyncReport["idle"]> {
  await using convection = await startConvection();
  await convection.seed(20);
  const id = convection.counters[0] ?? "";
  // The object and its isolates are there before the first measurement.
  const [warm] = await subscribed(convection, 1, [[subscribing("counters:get", [{ id }])]]);
  const before = residentBytes(convection.pid);
  const sockets = await subscribed(convection, count, [[subscribing("counters:get", [{ id }])]]);
  const bytesEach = (residentBytes(convection.pid) - before) / count;
  closeSockets([...sockets, ...(warm === undefined ? [] : [warm])]);
  await using baseline = await startBaseline();
  const [first] = await openSockets(baseline.url, "/broadcast", 1);
  const baselineBefore = residentBytes(baseline.pid);
  const others = await openSockets(baseline.url, "/broadcast", count);
  // As ours have been sent something: a socket's compressor is made with its first message, and takes most of the memory.
  const told = Promise.all(
    others.map((socket) => new Promise((resolve) => socket.addEventListener("message", resolve))),
  );
  await send(baseline.url, { path: "/publish", headers: {}, expect: "" }, "{}");
  await told;
  const baselineBytesEach = (residentBytes(baseline.pid) - baselineBefore) / count;
  closeSockets([...others, ...(first === undefined ? [] : [first])]);
  return { sockets: count, bytesEach, baselineBytesEach };
}

/** One backend with few and one with many subscriptions that a write does not touch, measured in turn. */
async function measureSubscriptions({ subscriptions, writes }: SyncPlan): Promise<SyncReport["growth"]> {
  const p50Ms: number[] = [];
  const cpuMicroseconds: number[] = [];
  for (const count of subscriptions) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const { p50, cpu } = await commitCost(count, writes);
    p50Ms.push(p50);
    cpuMicroseconds.push(cpu);
  }
  return {
    subscriptions,
    p50Ms: [p50Ms[0] ?? Number.NaN, p50Ms[1] ?? Number.NaN],
    cpuMicroseconds: [cpuMicroseconds[0] ?? Number.NaN, cpuMicroseconds[1] ?? Number.NaN],
  };
}

async function commitCost(count: number, writes: number): Promise<{ p50: number; cpu: number }> {
  await using convection = await startConvection();
  await convection.seed(20);
  const each = 100;
  const frames = Array.from({ length: Math.ceil(count / each) }, (_, socket) => [
    subscribing(
      "messages:list",
      Array.from({ length: Math.min(each, count) }, (__, i) => ({ channel: `silent ${socket * each + i}` })),
    ),
  ]);
  const sockets = await subscribed(convection, frames.length, frames);
  const id = convection.counters[0] ?? "";
  const times: number[] = [];
  let cpu = 0;
  for (let i = 0; i < WARM_UP * 5 + writes; i++) {
    if (i === WARM_UP * 5) cpu = cpuSeconds(convection.pid) ?? Number.NaN;
    const started = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    await convection.mutation("counters:modify", { id });
    if (i >= WARM_UP * 5) times.push(performance.now() - started);
  }
  const spent = ((cpuSeconds(convection.pid) ?? Number.NaN) - cpu) * 1e6;
  closeSockets(sockets);
  return { p50: median(times), cpu: spent / writes };
}

/** Sockets that have sent their frames and got an answer to the last one. */
async function subscribed(
  target: Target,
  count: number,
  frames: readonly (readonly string[])[],
): Promise<readonly WebSocket[]> {
  const sockets = await openSockets(target.url, "/api/1.48.0/sync", count);
  for (const [i, socket] of sockets.entries()) {
    const answered = new Promise<void>((resolve) => {
      socket.addEventListener("message", ({ data }) => {
        if (String(data).includes('"QueryUpdated"')) resolve();
      });
    });
    for (const frame of frames[i % frames.length] ?? []) socket.send(frame);
    // oxlint-disable-next-line no-await-in-loop -- thousands at once would only measure the machine
    await answered;
  }
  return sockets;
}

function subscribing(udfPath: string, args: readonly object[]): string {
  const modifications = args.map((one, queryId) => ({ type: "Add", queryId, udfPath, args: [one] }));
  return JSON.stringify({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications });
}

function updatedValue(frame: unknown): number | undefined {
  const { modifications } = frame as { modifications?: { value?: { value: number } }[] };
  return modifications?.[0]?.value?.value;
}

async function openSockets(url: string, path: string, count: number): Promise<WebSocket[]> {
  const sockets: WebSocket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = new WebSocket(url.replace(/^http/, "ws") + path);
    // oxlint-disable-next-line no-await-in-loop -- a burst of thousands overflows the listen queue
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error("a socket was refused")));
    });
    sockets.push(socket);
  }
  return sockets;
}

function closeSockets(sockets: readonly WebSocket[]): void {
  for (const socket of sockets) socket.close();
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** Of the runtime, which is a child of the process. */
function residentBytes(root: number): number {
  let bytes = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) !== root) continue;
      bytes += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
    } catch {
      // It ended meanwhile.
    }
  }
  return bytes;
}
