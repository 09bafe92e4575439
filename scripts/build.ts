// Builds dist/: the Worker, the isolate harness it carries, the command, the hooks of old React apps, the Node service.
// `node scripts/build.ts [worker] [cli] [react] [node-actions]`.
import { execFile } from "node:child_process";
import { existsSync, globSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { build as bundle, type BuildOptions } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

export type Target = "worker" | "cli" | "react" | "node-actions";

export const TARGETS: readonly Target[] = ["worker", "cli", "react", "node-actions"];

const BUILDERS: Readonly<Record<Target, () => Promise<void>>> = {
  worker: buildWorker,
  cli: buildCli,
  react: buildReact,
  "node-actions": buildNodeActions,
};

export async function build(targets: readonly Target[] = TARGETS): Promise<void> {
  for (const target of targets) {
    await BUILDERS[target]();
  }
}

const COMMON: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  target: "es2024",
  sourcemap: true,
  logLevel: "warning",
};

/** dist/harness.json first: the Worker imports it as a module. */
async function buildWorker(): Promise<void> {
  const harness = join(ROOT, "scripts/build-harness.ts");
  const built: unknown = await import(pathToFileURL(harness).href);
  if (!hasWriteHarness(built)) throw new Error(`${harness} does not export writeHarness()`);
  await built.writeHarness();
  await bundleWorker("src/worker.ts", "dist/worker.js");
}

/** `entry` as a Worker that `convection start --worker` and `wrangler deploy` take as it is. */
export async function bundleWorker(entry: string, outfile: string): Promise<void> {
  await bundle({
    ...COMMON,
    entryPoints: [entry],
    outfile,
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["module", "main"],
    external: ["cloudflare:*", "node:*"],
    define: { "process.env.NODE_ENV": '"production"' },
  });
}

async function buildCli(): Promise<void> {
  // Chunks are named by content: those of the last build would pile up.
  for (const file of globSync("dist/cli{.,-}*", { cwd: ROOT })) rmSync(join(ROOT, file));
  await bundle({
    ...COMMON,
    entryPoints: { cli: "src/cli/run.ts" },
    outdir: "dist",
    platform: "node",
    packages: "external",
    // Commands are imported when called; what they share goes beside them, so `import.meta.dirname` stays dist/.
    splitting: true,
    chunkNames: "cli-[name]-[hash]",
  });
}

/** Two files that need nothing beside them: the service, and the process that runs user code. */
async function buildNodeActions(): Promise<void> {
  await bundle({
    ...COMMON,
    entryPoints: { "node-actions": "node-actions/main.ts", "node-actions-child": "node-actions/child/main.ts" },
    outdir: "dist",
    platform: "node",
    // CommonJS packages in an ES module.
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
  });
}

/** The package export `./react`, with its types. */
async function buildReact(): Promise<void> {
  await bundle({
    ...COMMON,
    entryPoints: ["src/react/hooks.ts"],
    outdir: "dist/react",
    platform: "neutral",
    packages: "external",
  });
  await promisify(execFile)(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "src/react"], {
    cwd: ROOT,
  });
}

function hasWriteHarness(module: unknown): module is { writeHarness(): Promise<void> } {
  return typeof module === "object" && module !== null && "writeHarness" in module;
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const targets = TARGETS.filter((target) => asked.length === 0 || asked.includes(target));
  const unknown = asked.filter((name) => !TARGETS.some((target) => target === name));
  if (unknown.length > 0) throw new Error(`unknown build target: ${unknown.join(", ")}`);
  if (targets.includes("worker") && !existsSync(join(ROOT, "src/worker.ts"))) {
    throw new Error("src/worker.ts is missing");
  }
  await build(targets);
}
