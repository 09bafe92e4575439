import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { ROOT } from "./paths.ts";
import { Spawned } from "./spawned.ts";

export interface StartOptions {
  /** Directory of the app to push. */
  readonly app?: string;
  /** Extra environment, for settings. */
  readonly env?: Readonly<Record<string, string>>;
  /** Data directory that outlives the backend; without it data is temporary. */
  readonly data?: string;
  /** Further arguments of `convection start`. */
  readonly args?: readonly string[];
}

export interface TestBackend extends AsyncDisposable {
  readonly url: string;
  readonly siteUrl: string;
  readonly adminKey: string;
  readonly nodeActionsUrl: string | null;
  /** Everything written to stderr so far. */
  readonly logs: string;
  readonly process: Spawned;
  /** Orderly end; resolves with the exit code. */
  stop(): Promise<number>;
  /** Ends the command, the runtime and everything else at once. */
  kill(): Promise<void>;
}

/** Node actions run as another user when the tests are root's, and their cache is in here. */
function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "convection-backend-"));
  chmodSync(directory, 0o755);
  return directory;
}

const ready = z.object({
  url: z.string(),
  siteUrl: z.string(),
  adminKey: z.string(),
  nodeActionsUrl: z.string().nullable(),
});

/** A backend of its own on free ports, by the command that users run. Several may run at once. */
export async function startBackend(options: StartOptions = {}): Promise<TestBackend> {
  // Of its own, so that nothing stays behind even when the process is killed.
  const temporary = temporaryDirectory();
  const process = new Spawned(
    globalThis.process.execPath,
    [
      join(ROOT, "bin/convection.js"),
      "start",
      ...(options.data === undefined ? ["--ephemeral"] : ["--data", options.data]),
      "--json",
      "--port=0",
      "--site-port=0",
      ...(options.app === undefined ? [] : ["--dir", options.app]),
      ...(options.args ?? []),
    ],
    { env: { ...cleanEnvironment(), TMPDIR: temporary, ...options.env } },
  );
  const cleanUp = () => rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
  try {
    const [line] = await process.until("stdout", /^.*\n/);
    const { url, siteUrl, adminKey, nodeActionsUrl } = ready.parse(JSON.parse(line));
    return {
      url,
      siteUrl,
      adminKey,
      nodeActionsUrl,
      process,
      get logs() {
        return process.stderr;
      },
      stop: () => process.stop().finally(cleanUp),
      kill: () => process.kill().finally(cleanUp),
      [Symbol.asyncDispose]: async () => {
        await process.stop().finally(cleanUp);
      },
    };
  } catch (error) {
    await process.kill().finally(cleanUp);
    throw error;
  }
}

/** Without variables that would name another deployment or change a setting. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(globalThis.process.env).filter(([name]) => !/^(CONVEX_|CONVECTION_)/.test(name));
  return Object.fromEntries(kept);
}
