import { createHash, randomBytes } from "node:crypto";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CliError } from "./command.ts";

/** Directory of one local deployment: `lock`, `secret` and the state of miniflare. */
export interface DataDirectory {
  readonly path: string;
  readonly statePath: string;
  /** What the Node service keeps; it can be thrown away. */
  readonly nodeCachePath: string;
  /** Master secret, hex, generated on first use. */
  readonly secret: string;
  /** Gives the directory free; removes it when it is temporary. */
  [Symbol.dispose](): void;
}

export const DEFAULT_DATA = ".convection";

/** Opens the directory for one process: a second one is refused while the first lives. */
export function openDataDirectory(path: string): DataDirectory {
  const directory = resolve(path);
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new CliError(`Cannot create the data directory ${directory}: ${reason(error)}`);
  }
  const unlock = lock(directory);
  try {
    return {
      path: directory,
      statePath: join(directory, "state"),
      nodeCachePath: nodeCachePath(directory),
      secret: readOrCreateSecret(directory),
      [Symbol.dispose]: unlock,
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

export function temporaryDataDirectory(): DataDirectory {
  const directory = mkdtempSync(join(tmpdir(), "convection-"));
  return {
    path: directory,
    statePath: join(directory, "state"),
    nodeCachePath: nodeCachePath(directory),
    secret: readOrCreateSecret(directory),
    [Symbol.dispose]: () => {
      for (const path of [directory, nodeCachePath(directory)]) {
        rmSync(path, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  };
}

/** Secret of an existing data directory. */
export function readSecret(path: string): string {
  const file = join(resolve(path), "secret");
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new CliError(`Cannot read ${file} (${reason(error)}). Start the backend once, or pass --data or --stdin.`);
  }
}

/** When this is root, user code runs as somebody else, who may not look into the data directory. */
function nodeCachePath(directory: string): string {
  if (process.getuid?.() !== 0) return join(directory, "node-actions");
  const name = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return join(tmpdir(), `convection-node-${name}`);
}

function readOrCreateSecret(directory: string): string {
  const file = join(directory, "secret");
  try {
    writeFileSync(file, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (code(error) !== "EEXIST") throw new CliError(`Cannot write ${file}: ${reason(error)}`);
  }
  const secret = readFileSync(file, "utf8").trim();
  if (!/^(?:[0-9a-fA-F]{2}){32,}$/.test(secret)) {
    throw new CliError(`${file} does not hold a secret of at least 32 bytes in hexadecimal.`);
  }
  return secret;
}

/** `lock` holds `<pid> <start time of that process>`, so that a recycled pid is not mistaken for the owner. */
function lock(directory: string): () => void {
  const file = join(directory, "lock");
  const mine = `${process.pid} ${startTime(process.pid) ?? ""}\n`;
  const draft = join(directory, `lock.${process.pid}`);
  writeFileSync(draft, mine);
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(draft, file); // atomic, and refused when the file exists
        return () => {
          if (readIfPresent(file) === mine) unlinkSync(file);
        };
      } catch (error) {
        if (code(error) !== "EEXIST") throw new CliError(`Cannot lock ${directory}: ${reason(error)}`);
      }
      const content = readIfPresent(file);
      const owner = liveOwner(content);
      if (owner !== null) throw inUse(directory, owner);
      if (content !== null) removeStale(file, content, `${draft}.stale`);
    }
  } finally {
    unlinkSync(draft);
  }
  throw new CliError(`Cannot lock ${directory}: other processes keep taking it.`);
}

/** Takes a dead process's lock away, unless another process did so first and put its own in place. */
function removeStale(file: string, content: string, grave: string): void {
  try {
    renameSync(file, grave);
    if (readIfPresent(grave) !== content) linkSync(grave, file);
  } catch (error) {
    // Someone else was faster in either step; the next attempt sees what they left.
    if (code(error) !== "ENOENT" && code(error) !== "EEXIST") throw error;
  } finally {
    rmSync(grave, { force: true });
  }
}

function inUse(directory: string, pid: number): CliError {
  return new CliError(
    `The data directory ${directory} is in use by another backend (process ${pid}). Stop it, or choose another --data.`,
  );
}

function liveOwner(content: string | null): number | null {
  const [pidText = "", started = ""] = (content ?? "").trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (code(error) === "ESRCH") return null;
  }
  return started === "" || startTime(pid) === null || startTime(pid) === started ? pid : null;
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); `null` where there is no /proc. */
function startTime(pid: number): string | null {
  const stat = readIfPresent(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}

function readIfPresent(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (code(error) === "ENOENT" || code(error) === "ESRCH") return null;
    throw error;
  }
}

function code(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
