import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { CliError } from "./command.ts";
import { say } from "./console.ts";

export interface PushTarget {
  readonly url: string;
  readonly adminKey: string;
}

/**
 * Pushes an app once with the official `convex` CLI. `deploy` is used and not `dev --once`, because it exits 1 when
 * the push fails and leaves the app's `.env.local` alone.
 */
export async function pushApp(app: string, target: PushTarget, signal: AbortSignal): Promise<void> {
  say(`Pushing ${app} ...`);
  const credentials = credentialsFile(target);
  try {
    const child = spawn(
      process.execPath,
      [officialCli(app), "deploy", "--env-file", credentials.file, "--typecheck", "disable"],
      { cwd: app, env: pushEnvironment(), stdio: ["ignore", "pipe", "inherit"], signal },
    );
    child.stdout.pipe(process.stderr, { end: false });
    // An aborted child emits `error` before it exits.
    const [code] = await once(child, "exit");
    if (code !== 0) throw new CliError(`The official CLI could not push ${app} (exit code ${String(code)}).`);
  } finally {
    credentials[Symbol.dispose]();
  }
}

/** The app directory, checked as far as can be told before there is a backend. */
export function appDirectory(dir: string): string {
  const app = resolve(dir);
  if (!existsSync(app)) throw new CliError(`There is no directory ${app}.`);
  if (!existsSync(join(app, "convex")) && !existsSync(join(app, "convex.json"))) {
    throw new CliError(`${app} is not a Convex app: it has neither a convex/ folder nor a convex.json.`);
  }
  officialCli(app);
  return app;
}

/** The app's own version of the CLI: its bundles import the package from there too. */
function officialCli(app: string): string {
  try {
    return join(dirname(createRequire(join(app, "package.json")).resolve("convex/package.json")), "bin", "main.js");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND")) throw error;
    throw new CliError(`The npm package "convex" is not installed in ${app}. Run there: npm install convex`);
  }
}

/** An `--env-file` outranks `.env.local` and, unlike arguments, is not shown to other users of the machine. */
function credentialsFile(target: PushTarget): Disposable & { readonly file: string } {
  const folder = mkdtempSync(join(tmpdir(), "convection-push-"));
  const file = join(folder, "env");
  writeFileSync(file, `CONVEX_SELF_HOSTED_URL='${target.url}'\nCONVEX_SELF_HOSTED_ADMIN_KEY='${target.adminKey}'\n`, {
    mode: 0o600,
  });
  return { file, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Without the variables that could name another deployment; `CI` keeps the CLI from prompting and reporting. */
function pushEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(CONVEX_|CONVECTION_)/.test(name));
  return { ...Object.fromEntries(kept), CI: "1" };
}
