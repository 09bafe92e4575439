import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import type { mount, unmount } from "svelte";
import { compile, compileModule } from "svelte/compiler";
import { ROOT } from "../../support/paths.ts";

export interface SvelteModule {
  readonly default: Parameters<typeof mount>[0];
  readonly mount: typeof mount;
  readonly unmount: typeof unmount;
}

/** What the Svelte plugins of bundlers do. */
const svelte: Plugin = {
  name: "svelte",
  setup(builder) {
    builder.onLoad({ filter: /\.svelte\.js$/ }, async ({ path }) => {
      const { js } = compileModule(await readFile(path, "utf8"), { generate: "client", filename: path });
      return { contents: js.code, loader: "js" };
    });
  },
};

/** A component of this source, with what mounts it: one copy of Svelte, and one of `convex-svelte`, as in an app. */
export async function svelteComponent(source: string): Promise<SvelteModule> {
  const { js } = compile(source, { generate: "client", filename: "Component.svelte" });
  const directory = await mkdtemp(join(ROOT, "node_modules/.svelte-component-"));
  try {
    const outfile = join(directory, "component.mjs");
    await build({
      stdin: { contents: `${js.code}\nexport { mount, unmount } from "svelte";`, resolveDir: ROOT, loader: "js" },
      bundle: true,
      format: "esm",
      conditions: ["browser", "svelte"],
      external: ["convex/*"],
      plugins: [svelte],
      outfile,
      logLevel: "error",
    });
    return (await import(/* @vite-ignore */ outfile)) as SvelteModule;
  } finally {
    await rm(directory, { recursive: true });
  }
}
