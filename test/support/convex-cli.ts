import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cleanEnvironment } from "./backend.ts";
import { ROOT } from "./paths.ts";
import { Spawned } from "./spawned.ts";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A throw-away copy of a fixture app, with our node_modules in sight. */
export class AppCopy implements Disposable {
  readonly path: string;

  constructor(source: string) {
    this.path = mkdtempSync(join(tmpdir(), "convection-app-"));
    cpSync(source, this.path, { recursive: true, filter: (file) => !/_generated|node_modules|\.env/.test(file) });
    symlinkSync(join(ROOT, "node_modules"), join(this.path, "node_modules"));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Starts the unmodified official CLI in an app directory, for commands that run until they are stopped. */
export function spawnConvex(
  app: string,
  backend: { readonly url: string; readonly adminKey: string },
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Spawned {
  return new Spawned(process.execPath, [join(ROOT, "node_modules/convex/bin/main.js"), ...args], {
    cwd: app,
    env: {
      ...cleanEnvironment(),
      // No prompts, no error reports to the makers of the CLI.
      CI: "1",
      CONVEX_SELF_HOSTED_URL: backend.url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: backend.adminKey,
      ...env,
    },
  });
}

/** Runs one command of the official CLI to its end, whatever the exit code. */
export async function convex(
  app: string,
  backend: { readonly url: string; readonly adminKey: string },
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const child = spawnConvex(app, backend, args, env);
  const code = await child.exited;
  return { code, stdout: child.stdout, stderr: child.stderr };
}
