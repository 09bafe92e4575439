import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { SETTINGS as WORKER_SETTINGS } from "../src/protocol/settings.ts";

const PREFIX = "CONVECTION_NODE_";
const MIB = 1024 * 1024;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

interface ServiceSetting<T> {
  readonly name: `${typeof PREFIX}${string}`;
  readonly default: T;
  readonly description: string;
  readonly schema: z.ZodType<T>;
}

/** Every switch of the service, defined here and nowhere else. docs/node-actions.md lists them. */
export const SERVICE_SETTINGS = {
  port: whole("PORT", 3212, "Port to listen on; 0 takes a free one, which is printed."),
  host: text("HOST", "127.0.0.1", "Address to listen on. `0.0.0.0` in a container."),
  keysFile: text(
    "KEYS_FILE",
    "",
    "File of the signing keys, readable by the service alone. Without it the keys are read from standard input.",
  ),
  cacheDirectory: text(
    "CACHE",
    join(tmpdir(), "convection-node-actions"),
    "Code packages and installed external packages. Belongs to one service at a time.",
  ),
  cacheBytes: whole("CACHE_BYTES", 2048 * MIB, "Size of the cache; what was unused longest goes first."),
  packageBytes: whole("PACKAGE_BYTES", 256 * MIB, "Largest code package, as a zip and unpacked to four times as much."),
  bodyBytes: whole("BODY_BYTES", 16 * MIB, "Largest body of a request; a larger one is refused before it is read."),
  clockSkewMs: whole("CLOCK_SKEW_MS", 60 * SECOND, "How far the clocks of Worker and service may differ."),
  nonces: whole("NONCES", 200_000, "Signed requests remembered, each until its signature is expired."),
  executions: whole("EXECUTIONS", 64, "Actions at once; the next one waits."),
  starts: whole(
    "STARTS",
    availableParallelism(),
    "Actions that start at the same moment; the next one waits for a few milliseconds.",
  ),
  queueMs: whole("QUEUE_MS", 10 * SECOND, "How long an action waits for its turn before it is refused with 429."),
  queueLength: whole("QUEUE_LENGTH", 1000, "Actions that wait at once; the next one is refused at once."),
  heartbeatMs: whole("HEARTBEAT_MS", 5 * SECOND, "Between the heartbeats in the answer of a running action."),
  prewarmed: whole("PREWARMED", Math.min(4, availableParallelism()), "Processes kept ready for any package."),
  defaultMemoryBytes: whole("PREWARM_MEMORY_BYTES", 512 * MIB, "Memory limit of processes started before any call."),
  idleProcesses: whole("IDLE_PROCESSES", 32, "Processes kept for the next call of the same package and environment."),
  idleMs: whole("IDLE_MS", 5 * MINUTE, "How long such a process is kept."),
  callsPerProcess: whole("CALLS_PER_PROCESS", 1000, "Calls after which a process is replaced."),
  overheadBytes: whole(
    "OVERHEAD_BYTES",
    128 * MIB,
    "What Node itself takes: an action is ended when its process is larger than its limit and this.",
  ),
  memoryCheckMs: whole("MEMORY_CHECK_MS", 100, "Between two looks at the size of running processes."),
  killGraceMs: whole("KILL_GRACE_MS", 1 * SECOND, "Time for a process to say that its time is over."),
  childUser: text(
    "CHILD_USER",
    "",
    "`uid:gid` of the processes that run user code. Default: that of `nobody` when the service runs as root, else its own.",
  ),
  binaries: text("BINARIES", "", "Other versions of Node, e.g. `20=/opt/node20/bin/node,22=/opt/node22/bin/node`."),
  installMs: whole("INSTALL_MS", 5 * MINUTE, "Time to install one set of external packages."),
  drainMs: whole("DRAIN_MS", 10 * MINUTE, "How long running actions may go on after SIGTERM."),
  callbackConnectMs: whole("CALLBACK_CONNECT_MS", 10 * SECOND, "Time to connect to the Worker."),
  callbackRetryMs: whole("CALLBACK_RETRY_MS", 1 * SECOND, "First pause before a callback is tried again; it doubles."),
  callbacks: whole("CALLBACKS", 128, "Callbacks under way to the Worker at once; the others wait."),
} as const;

export type ServiceSettings = {
  readonly [K in keyof typeof SERVICE_SETTINGS]: (typeof SERVICE_SETTINGS)[K] extends ServiceSetting<infer T>
    ? T
    : never;
};

/** The operator's mistake. The message names every wrong variable. */
export class ServiceSettingsError extends Error {
  override readonly name = "ServiceSettingsError";
}

export function parseServiceSettings(vars: Readonly<Record<string, string | undefined>>): ServiceSettings {
  const mistakes: string[] = [];
  const known = new Set<string>(Object.values(WORKER_SETTINGS).map(({ name }) => name));
  const entries = Object.entries(SERVICE_SETTINGS).map(([key, setting]) => {
    known.add(setting.name);
    const given = vars[setting.name];
    if (given === undefined || given === "") return [key, setting.default] as const;
    const parsed = setting.schema.safeParse(given);
    if (parsed.success) return [key, parsed.data] as const;
    mistakes.push(`${setting.name}: ${parsed.error.issues[0]?.message ?? "not valid"}.`);
    return [key, setting.default] as const;
  });
  for (const name of Object.keys(vars)) {
    if (name.startsWith(PREFIX) && !known.has(name)) mistakes.push(`${name} is not a setting.`);
  }
  if (mistakes.length > 0) throw new ServiceSettingsError(`${mistakes.join(" ")} docs/node-actions.md lists them all.`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the entries come from the table the type is made of
  return Object.fromEntries(entries) as ServiceSettings;
}

function whole(name: string, value: number, description: string): ServiceSetting<number> {
  const schema = z
    .string()
    .regex(/^\d{1,15}$/, "a whole number is expected")
    .transform(Number);
  return { name: `${PREFIX}${name}`, default: value, description, schema };
}

function text(name: string, value: string, description: string): ServiceSetting<string> {
  return { name: `${PREFIX}${name}`, default: value, description, schema: z.string() };
}
