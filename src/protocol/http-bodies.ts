import { z } from "zod";

/**
 * An argument object, or an array of positional arguments. Passed through as it is: values are ConvexJSON and are
 * checked where they are used.
 */
const functionArguments = z.custom<readonly unknown[] | Readonly<Record<string, unknown>>>(
  (value) => typeof value === "object" && value !== null,
  "expected an object or an array",
);

const callFields = { path: z.string(), args: functionArguments, format: z.string().nullish() };

/** `/api/query`, `/api/mutation`, `/api/action`. Unknown fields are ignored, here and below. */
export const functionCallBody = z.object(callFields);

export const queryAtTsBody = z.object({ ...callFields, ts: z.string() });

export const queryBatchBody = z.object({ queries: z.array(functionCallBody) });

/** `/api/function`. */
export const anyFunctionBody = z.object({ ...callFields, componentPath: z.string().nullish() });

/** `/api/run/<module>/<function>`. */
export const runBody = z.object({ args: functionArguments, format: z.string().nullish() });

/** `/api/run_test_function`. The key is repeated in the body. */
export const testFunctionBody = z.object({
  adminKey: z.string(),
  args: functionArguments,
  bundle: z.object({ path: z.string(), source: z.string() }),
  format: z.string().nullish(),
  componentId: z.string().nullish(),
});

/** A value that is `null` or left out removes the variable. */
export const environmentChangesBody = z.object({
  changes: z.array(
    z.object({
      name: z.string(),
      value: z
        .string()
        .nullish()
        .transform((value) => value ?? null),
    }),
  ),
});

/** `/api/change_deployment_state`. */
export const deploymentStateBody = z.object({ newState: z.enum(["running", "paused"]) });

/** `/api/cancel_job`. A component's id is its path. */
export const cancelJobBody = z.object({ id: z.string(), componentId: z.string().nullish() });

/** `/api/cancel_all_jobs`. Times are nanoseconds. */
export const cancelAllJobsBody = z.object({
  udfPath: z.string().nullish(),
  componentId: z.string().nullish(),
  componentPath: z.string().nullish(),
  startNextTs: z.number().nullish(),
  endNextTs: z.number().nullish(),
});

/** `/api/delete_tables`. */
export const deleteTablesBody = z.object({ tableNames: z.array(z.string()), componentId: z.string().nullish() });

export const componentBody = z.object({ componentId: z.string().nullish() });

/** What the CLI repeats in the body of every push endpoint. The rest of those bodies belongs to `deploy`. */
export const adminKeyBody = z.object({ adminKey: z.string() });

export type FunctionArguments = z.infer<typeof functionArguments>;
export type FunctionCallBody = z.infer<typeof functionCallBody>;
export type EnvironmentChange = z.infer<typeof environmentChangesBody>["changes"][number];

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
}

export const finishUploadBody = z.object({
  uploadToken: z.string(),
  partTokens: z.array(z.string()),
  import: z.object({
    tableName: z.string().optional(),
    componentPath: z.string().optional(),
    mode: z.enum(["requireEmpty", "append", "replace", "replaceAll"]),
    format: z.enum(["csv", "jsonLines", "jsonArray", "zip"]),
  }),
});

export const importIdBody = z.object({ importId: z.string() });

/** `/api/list_snapshot` and `/api/document_deltas`. */
export const streamingExportBody = z.object({
  snapshot: z.number().nullish(),
  cursor: z.union([z.string(), z.number()]).nullish(),
  tableName: z.string().nullish(),
  component: z.string().nullish(),
  format: z.string().nullish(),
});
