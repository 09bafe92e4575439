import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import type { HarnessCode } from "../src/runtime/isolate/main-module.ts";

const ROOT = join(import.meta.dirname, "..");

/** Bundles what runs in every user isolate into the text of one module. */
export async function buildHarness(): Promise<HarnessCode> {
  const result = await build({
    entryPoints: [join(ROOT, "src/runtime/isolate/main.ts")],
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
  const harness = result.outputFiles[0]?.text;
  if (harness === undefined) throw new Error("esbuild wrote no harness");
  return { harness, version: createHash("sha256").update(harness).digest("hex").slice(0, 16) };
}

export async function writeHarness(file: string = join(ROOT, "dist/harness.json")): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(await buildHarness()));
}

if (import.meta.main) await writeHarness();
