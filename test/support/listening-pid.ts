import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const LISTENING = "0A";

/** The process that listens on the port of a URL, by what Linux tells of sockets. Throws when there is none. */
export function listeningPid(url: string): number {
  const socket = `socket:[${inodeOf(Number(new URL(url).port))}]`;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (filesOf(pid).includes(socket)) return Number(pid);
  }
  throw new Error(`no process listens at ${url}`);
}

function inodeOf(port: number): string {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    if (state === LISTENING && local.endsWith(`:${wanted}`)) return inode;
  }
  throw new Error(`nobody listens on port ${port}`);
}

function filesOf(pid: string): string[] {
  // The process may have ended meanwhile, or be somebody else's; one of its files may have been closed.
  const unless = <T>(missing: T, look: () => T): T => {
    try {
      return look();
    } catch {
      return missing;
    }
  };
  const files = unless<string[]>([], () => readdirSync(`/proc/${pid}/fd`));
  return files.map((fd) => unless("", () => readlinkSync(`/proc/${pid}/fd/${fd}`)));
}
