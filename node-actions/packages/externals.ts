import { execFile } from "node:child_process";
import { chmod, chown, cp, mkdir, rename, writeFile } from "node:fs/promises";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { NodePackage } from "../../src/protocol/node-actions.ts";
import type { Log } from "../../src/shared/log.ts";
import type { ChildUser } from "../process/launcher.ts";
import { Refusal } from "../refusal.ts";
import type { CacheDirectory } from "./cache-directory.ts";
import { sha256 } from "./unpack.ts";

type ExternalPackages = NodePackage["externals"];

export interface ExternalsOptions {
  readonly installMs: number;
  readonly user: ChildUser | undefined;
  readonly log: Log;
}

const run = promisify(execFile);
const NAME = /^(@[a-z0-9-~][a-z0-9-._~]*\/)?[a-z0-9-~_][a-z0-9-._~]*$/i;
const EXACT_VERSION = /^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$/;
const OUTPUT_BYTES = 8 * 1024 * 1024;

/** `node.externalPackages`: each set is installed by npm once, on the machine that runs it, and kept by its content. */
export class Externals {
  readonly #cache: CacheDirectory;
  readonly #options: ExternalsOptions;
  readonly #installing = new Map<string, Promise<string>>();
  #registry: Promise<string> | undefined;

  constructor(cache: CacheDirectory, options: ExternalsOptions) {
    this.#cache = cache;
    this.#options = options;
  }

  hold(externals: ExternalPackages, binary: string): () => void {
    if (externals.length === 0) return () => undefined;
    return this.#cache.pin(entryName(externals, binary));
  }

  /** The directory that has `node_modules`, undefined for the empty set. Rejects with a `Refusal` naming a package. */
  async install(externals: ExternalPackages, binary: string): Promise<string | undefined> {
    if (externals.length === 0) return undefined;
    const name = entryName(externals, binary);
    if (this.#cache.has(name)) return this.#cache.directoryOf(name);
    const running = this.#installing.get(name);
    if (running !== undefined) return running;
    const started = this.#install(externals, binary, name);
    this.#installing.set(name, started);
    try {
      return await started;
    } finally {
      this.#installing.delete(name);
    }
  }

  async #install(externals: ExternalPackages, binary: string, name: string): Promise<string> {
    for (const { name: wanted, version } of externals) {
      if (!NAME.test(wanted) || !EXACT_VERSION.test(version)) {
        throw failure(`${wanted}@${version} is not the name of a package and an exact version.`);
      }
    }
    const workspace = await this.#cache.temporary();
    const finished = await this.#cache.temporary();
    const started = Date.now();
    const project = join(workspace, "project");
    try {
      await mkdir(project);
      await giveTo(this.#options.user, workspace);
      await this.#npm(externals, project, binary);
      await this.#tryImports(externals, project, binary);
      // Scripts of packages ran as the user of user code; what they made becomes the service's, for reading only.
      await takeOver(project, finished, this.#options.user);
      await this.#cache.adopt(finished, name);
    } finally {
      await this.#emptyAsUser(project);
      await Promise.all([this.#cache.discard(workspace), this.#cache.discard(finished)]);
    }
    this.#options.log.info("external packages installed", { externals, ms: Date.now() - started });
    return this.#cache.directoryOf(name);
  }

  async #npm(externals: ExternalPackages, project: string, binary: string): Promise<void> {
    const dependencies = Object.fromEntries(externals.map(({ name, version }) => [name, version]));
    await writeFile(join(project, "package.json"), JSON.stringify({ private: true, dependencies }));
    const flags = ["install", "--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier", "--no-package-lock"];
    try {
      await run("npm", flags, { ...(await this.#processOptions(project, binary)), cwd: project });
    } catch (error) {
      const output = outputOf(error);
      throw failure(
        `Installing external package ${culprit(externals, output)} failed on ${place(binary)}: ${reason(output, error)}`,
        error,
      );
    }
  }

  /** What the user of user code made, only that user or root can remove. */
  async #emptyAsUser(project: string): Promise<void> {
    const { user } = this.#options;
    if (user === undefined || process.getuid?.() === 0) return;
    // Failing leaves files in a temporary directory, which the next start removes as far as it can.
    const options = { uid: user.uid, gid: user.gid, cwd: "/" };
    await run("rm", ["-rf", join(project, "node_modules"), join(dirname(project), "npm-cache")], options).catch(
      () => undefined,
    );
  }

  /** What can't run on this machine is told at push, by name. Errors that a package throws for reasons of its own are not. */
  async #tryImports(externals: ExternalPackages, project: string, binary: string): Promise<void> {
    const options = await this.#processOptions(project, binary);
    for (const { name, version } of externals) {
      const code = `await import(${JSON.stringify(name)}); process.exit(0)`;
      try {
        await run(binary, ["--input-type=module", "-e", code], { ...options, cwd: project, timeout: 30_000 });
      } catch (error) {
        const output = outputOf(error);
        if (!/ERR_DLOPEN_FAILED|Could not load the|invalid ELF|\.node'/.test(output)) continue;
        const message = `External package ${name}@${version} can't be loaded on ${place(binary)}: ${reason(output, error)}`;
        throw failure(message, error);
      }
    }
  }

  async #processOptions(project: string, binary: string) {
    const { user, installMs } = this.#options;
    this.#registry ??= registry();
    return {
      env: {
        ...inheritedForNpm(process.env),
        PATH: `${dirname(binary)}:${process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"}`,
        HOME: dirname(project),
        npm_config_cache: join(dirname(project), "npm-cache"),
        npm_config_registry: await this.#registry,
      },
      timeout: installMs,
      killSignal: "SIGKILL",
      maxBuffer: OUTPUT_BYTES,
      encoding: "utf8",
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    } as const;
  }
}

export function externalsKey(externals: ExternalPackages, binary: string): string {
  const sorted = externals.map(({ name, version }) => `${name}@${version}`).toSorted();
  return sha256(JSON.stringify([sorted, platform(), arch(), binary])).slice(0, 32);
}

function entryName(externals: ExternalPackages, binary: string): string {
  return `externals-${externalsKey(externals, binary)}`;
}

/** The operator's registry, without the file that may hold a token for it. */
async function registry(): Promise<string> {
  const { stdout } = await run("npm", ["config", "get", "registry"], { encoding: "utf8" });
  return stdout.trim();
}

function inheritedForNpm(host: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = /^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_file|lang)$/i;
  return Object.fromEntries(Object.entries(host).filter(([name]) => names.test(name)));
}

async function giveTo(user: ChildUser | undefined, directory: string): Promise<void> {
  if (user === undefined) return;
  const project = join(directory, "project");
  if (process.getuid?.() === 0) {
    for (const path of [directory, project]) await chown(path, user.uid, user.gid);
  } else {
    for (const path of [directory, project]) await chmod(path, 0o777);
  }
}

async function takeOver(project: string, finished: string, user: ChildUser | undefined): Promise<void> {
  const from = join(project, "node_modules");
  const to = join(finished, "node_modules");
  if (user === undefined) await rename(from, to);
  else await cp(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}

/** The package that npm complains about, or all of them. */
function culprit(externals: ExternalPackages, output: string): string {
  const named = externals.filter(
    ({ name }) => output.includes(`${name}@`) || output.includes(encodeURIComponent(name)),
  );
  const shown = named.length > 0 ? named : externals;
  return shown.map(({ name, version }) => `${name}@${version}`).join(", ");
}

/** npm's own words, without its advice and without addresses, which may be private. */
function reason(output: string, error: unknown): string {
  const lines = output
    .split("\n")
    .map((line) =>
      line
        .replace(/^npm (error|ERR!) ?/, "")
        .replace(/https?:\/\/\S+/g, "<registry>")
        .trim(),
    )
    .filter((line) => line !== "" && !/complete log|^A complete|^\/|_logs|^node:|^\^|^at /.test(line));
  return lines.length > 0 ? lines.slice(0, 6).join(" ") : error instanceof Error ? error.message : String(error);
}

function outputOf(error: unknown): string {
  return typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr) : "";
}

function place(binary: string): string {
  const version = binary === process.execPath ? ` with Node.js ${process.versions.node}` : "";
  return `${platform()}-${arch()}${version}`;
}

function failure(message: string, cause?: unknown): Refusal {
  return new Refusal(422, "ExternalPackagesFailed", message, { cause });
}
