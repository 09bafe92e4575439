import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { afterAll, beforeAll } from "vitest";
import { RemoteFileStore } from "./remote-file-store.ts";
import { fileStoreContract } from "./suite.ts";

let miniflare: Miniflare;
let url: URL;

beforeAll(async () => {
  const bundle = await build({
    entryPoints: [`${import.meta.dirname}/worker.ts`],
    bundle: true,
    write: false,
    format: "esm",
    target: "esnext",
    conditions: ["workerd", "worker"],
    external: ["node:*", "cloudflare:*"],
  });
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: bundle.outputFiles[0]?.text ?? "",
      compatibilityDate: "2026-11-01",
      compatibilityFlags: ["nodejs_compat"],
      r2Buckets: ["FILES"],
      port: 0,
    }),
  );
  url = await miniflare.ready;
});

afterAll(() => miniflare.dispose());

fileStoreContract("R2", async () => new RemoteFileStore(url));
