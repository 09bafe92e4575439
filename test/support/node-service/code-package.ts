import { createHash } from "node:crypto";
import { build } from "esbuild";
import { zipSync } from "fflate";
import { ROOT } from "../paths.ts";

export interface CodePackage {
  readonly hash: string;
  readonly zip: Uint8Array;
}

/** `"use node"` modules by canonical path without `.ts`, bundled as the official command bundles them. */
export async function codePackage(
  modules: Readonly<Record<string, string>>,
  external: readonly string[] = [],
): Promise<CodePackage> {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.keys(modules).map((name) => ({ in: `fixture:${name}`, out: name })),
    bundle: true,
    write: false,
    format: "esm",
    target: "esnext",
    platform: "node",
    splitting: true,
    chunkNames: "_deps/node/[hash]",
    conditions: ["convex", "module"],
    outdir: "out",
    external: [...external],
    logLevel: "silent",
    plugins: [
      {
        name: "fixture",
        setup: (esbuild) => {
          esbuild.onResolve({ filter: /^fixture:/ }, ({ path }) => ({ path: path.slice(8), namespace: "fixture" }));
          esbuild.onLoad({ filter: /./, namespace: "fixture" }, ({ path }) => ({
            contents: modules[path] ?? "",
            loader: "ts",
            resolveDir: ROOT,
          }));
        },
      },
    ],
  });
  const files = result.outputFiles.map(({ path, contents }) => [path.slice(ROOT.length + "/out/".length), contents]);
  return zipped(Object.fromEntries(files) as Record<string, Uint8Array>);
}

export function zipped(files: Readonly<Record<string, Uint8Array>>): CodePackage {
  const zip = zipSync(files, { mtime: "2026-01-01" });
  return { zip, hash: createHash("sha256").update(zip).digest("hex") };
}
