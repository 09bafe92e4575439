import { join } from "node:path";
import { build } from "esbuild";
import type { ZodType } from "zod";

const SOURCES = join(import.meta.dirname, "../../../node_modules/convex/src/cli/lib/deployApi");

/** The schemas with which the official command line reads our answers. */
export interface CliSchemas {
  readonly startPushResponse: ZodType;
  readonly evaluatePushResponse: ZodType;
  readonly evaluateSchemaResponse: ZodType;
  readonly schemaStatus: ZodType;
  readonly finishPushDiff: ZodType;
}

export async function cliSchemas(): Promise<CliSchemas> {
  const built = await build({
    stdin: {
      contents: `export * from "./startPush.ts"; export * from "./evaluateSchema.ts"; export * from "./finishPush.ts";`,
      resolveDir: SOURCES,
    },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
  });
  const text = built.outputFiles[0]?.text ?? "";
  return await import(/* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`);
}
