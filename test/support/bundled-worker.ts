import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

interface WorkerOptions {
  /** Without them, nothing of the bundle may need Node. */
  readonly flags?: readonly string[];
  readonly bindings?: Readonly<Record<string, string>>;
  readonly r2Buckets?: readonly string[];
}

/** The `worker.ts` of a folder of tests, bundled and run by the real runtime. */
export async function bundledWorker(directory: string, options: WorkerOptions = {}): Promise<Miniflare> {
  const { flags = ["nodejs_compat"], bindings = {}, r2Buckets = [] } = options;
  const bundle = await build({
    entryPoints: [`${directory}/worker.ts`],
    bundle: true,
    write: false,
    format: "esm",
    target: "esnext",
    conditions: ["workerd", "worker"],
    ...(flags.includes("nodejs_compat") ? { external: ["node:*", "cloudflare:*"] } : {}),
  });
  return new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: bundle.outputFiles[0]?.text ?? "",
      compatibilityDate: "2026-11-01",
      compatibilityFlags: [...flags],
      bindings: { ...bindings },
      r2Buckets: [...r2Buckets],
      port: 0,
    }),
  );
}
