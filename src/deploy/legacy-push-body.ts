import { z } from "zod";
import { parser, pushedModule } from "./push-body.ts";

/** Body of `prepare_schema`. */
const legacySchema = z.object({ bundle: pushedModule, dryRun: z.boolean() });

/** Body of `push_config`. */
const legacyConfig = z.object({
  config: z.object({
    functions: z.string(),
    authInfo: z.array(z.looseObject({})).nullish(),
  }),
  modules: z.array(pushedModule),
  nodeDependencies: z.array(z.object({ name: z.string(), version: z.string() })).nullish(),
  udfServerVersion: z.string(),
  schemaId: z.string().nullish(),
});

export type LegacySchemaBody = z.infer<typeof legacySchema>;
export type LegacyConfigBody = z.infer<typeof legacyConfig>;

export const parseLegacySchema = parser(legacySchema);
export const parseLegacyConfig = parser(legacyConfig);
