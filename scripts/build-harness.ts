import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import type { HarnessCode } from "../src/runtime/isolate/main-module.ts";

const ROOT = join(import.meta.dirname, "..");

/** Bundles what runs in every user isolate into the text of one module. */
export async function buildHarness(): Promise<HarnessCode> {
  const harness = await bundle("src/runtime/isolate/main.ts");
  const wrappers = await bundle("src/runtime/isolate/repl-wrappers.ts");
  return { harness, version: createHash("sha256").update(harness).digest("hex").slice(0, 16), wrappers };
}

async function bundle(entryPoint: string): Promise<string> {
  const result = await build({
    entryPoints: [join(ROOT, entryPoint)],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    // "browser": object-inspect has no util.inspect there.
    platform: "browser",
    external: ["cloudflare:workers", "node:async_hooks"],
    minify: true,
    legalComments: "inline",
    logLevel: "warning",
  });
  const text = result.outputFiles[0]?.text;
  if (text === undefined) throw new Error(`esbuild wrote nothing for ${entryPoint}`);
  return text;
}

export async function writeHarness(file: string = join(ROOT, "dist/harness.json")): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(await buildHarness()));
}

if (import.meta.main) await writeHarness();
