import { accessSync, constants } from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";
import { delimiter, join } from "node:path";

/** User code runs as somebody else where the host allows it; undefined = as the service itself. */
export interface ChildUser {
  readonly uid: number;
  readonly gid: number;
}

export interface LaunchOptions {
  readonly binary: string;
  readonly script: string;
  readonly memoryBytes: number;
  readonly user: ChildUser | undefined;
  /** The binary is of the service's own version, and knows its flags. */
  readonly sameVersion: boolean;
}

const MIB = 1024 * 1024;

/**
 * Starts a child in a process group of its own. It inherits nothing of the service's environment but what user code may
 * see, and dies with the service even in the middle of an endless loop, where `setpriv` is there to ask the kernel.
 */
export function launch({ binary, script, memoryBytes, user, sameVersion }: LaunchOptions): ChildProcess {
  const flags = [`--max-old-space-size=${Math.max(16, Math.floor(memoryBytes / MIB))}`, "--no-warnings"];
  if (sameVersion && REFUSES_INSPECTOR) flags.push("--disable-sigusr1");
  const command = [binary, ...flags, script];
  const [program = binary, ...args] = setpriv === undefined ? command : [setpriv, ...SETPRIV_FLAGS, ...command];
  return spawn(program, args, {
    cwd: "/",
    env: inherited(process.env),
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    detached: true,
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
}

const SETPRIV_FLAGS = ["--pdeathsig", "KILL", "--no-new-privs"];
const setpriv = process.platform === "linux" ? findProgram("setpriv") : undefined;

function findProgram(name: string): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** With this flag the signal that opens Node's inspector does nothing. Versions before 22.14 lack it. */
const REFUSES_INSPECTOR = process.allowedNodeEnvironmentFlags.has("--disable-sigusr1");

function inherited(host: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PATH, NODE_PATH, UTC } = host;
  return {
    PATH: PATH ?? "/usr/local/bin:/usr/bin:/bin",
    PWD: "/",
    LANG: host["LANG"] ?? "C.UTF-8",
    TZ: host["TZ"] ?? "UTC",
    ...(NODE_PATH === undefined ? {} : { NODE_PATH }),
    ...(UTC === undefined ? {} : { UTC }),
  };
}
