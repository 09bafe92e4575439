import { readFileSync } from "node:fs";
import type { ChildUser } from "./process/launcher.ts";
import { ServiceSettingsError } from "./settings.ts";

/** Whom user code runs as: `configured`, or `nobody` when the service is root, or the service's own user. */
export function childUser(configured: string): ChildUser | undefined {
  if (configured !== "") {
    const [, uid, gid] = /^(\d+):(\d+)$/.exec(configured) ?? [];
    if (uid === undefined || gid === undefined) {
      throw new ServiceSettingsError("CONVECTION_NODE_CHILD_USER is not <uid>:<gid> in numbers.");
    }
    return { uid: Number(uid), gid: Number(gid) };
  }
  return process.getuid?.() === 0 ? nobody() : undefined;
}

function nobody(): ChildUser {
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8")) ?? [];
  return { uid: Number(uid ?? 65534), gid: Number(gid ?? 65534) };
}
