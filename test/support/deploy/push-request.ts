import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { StartPushBody } from "../../../src/deploy/push-body.ts";

const ROOT = join(import.meta.dirname, "../../..");
const run = promisify(execFile);

/** Files to change in the copy of a fixture before it is bundled; null removes one. */
export type Edits = Readonly<Record<string, string | null>>;

/** What the official command line would send for a fixture app, made offline by the command line itself. */
export async function pushRequest(fixture: string, edits: Edits = {}): Promise<StartPushBody> {
  const directory = await mkdtemp(join(tmpdir(), "push-"));
  try {
    await cp(join(ROOT, "test/fixtures", fixture), directory, { recursive: true });
    await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
    for (const [path, text] of Object.entries(edits)) {
      if (text === null) await rm(join(directory, path), { recursive: true });
      else await writeFile(join(directory, path), text);
    }
    const flags = ["--write-push-request", "request", "--push-all-modules", "--typecheck", "disable"];
    const target = ["--url", "http://127.0.0.1:1", "--admin-key", "x"];
    const cli = join(ROOT, "node_modules/convex/bin/main.js");
    await run(process.execPath, [cli, "deploy", ...flags, ...target], { cwd: directory });
    return JSON.parse(await readFile(join(directory, "request.json"), "utf8"));
  } finally {
    await rm(directory, { recursive: true });
  }
}
