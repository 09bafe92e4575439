import { Hono } from "hono";
import { z } from "zod";
import type { FunctionCompletion } from "../protocol/function-log.ts";
import { badRequest } from "../shared/coded-error.ts";
import { adminOf } from "./credentials.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

const MAX_BUCKETS = 1000;
const MAX_FUNCTIONS = 100;

const moment = z
  .object({ secs_since_epoch: z.number(), nanos_since_epoch: z.number() })
  .transform((at) => at.secs_since_epoch * 1000 + at.nanos_since_epoch / 1e6);
const windowQuery = z.object({ start: moment, end: moment, num_buckets: z.number().int().min(1).max(MAX_BUCKETS) });
const percentilesQuery = z.array(z.number().min(0).max(100)).max(20);

/** A bucket's start and its value; `null`: nothing is known of it. */
type Timeseries = readonly (readonly [{ secs_since_epoch: number; nanos_since_epoch: number }, number | null])[];

interface Bucket {
  readonly startMs: number;
  readonly seconds: number;
  readonly completions: readonly FunctionCompletion[];
}

/**
 * The charts of the dashboard, under `/api/app_metrics`. They show what the function log still holds, the last
 * executions of the deployment; nothing is kept for them. What it has never held is `null`, or an empty chart.
 */
export function appMetricsRoutes(services: HttpServices): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();

  app.get("/udf_rate", async (c) => {
    const buckets = await bucketsOf(c, services, isOfFunction(c));
    const count = COUNTS.get(c.req.query("metric") ?? "");
    return c.json(series(buckets, count === undefined ? unknown : rate(count)));
  });

  app.get("/cache_hit_percentage", async (c) =>
    c.json(series(await bucketsOf(c, services, isOfFunction(c)), percentage(isCacheHit))),
  );

  app.get("/latency_percentiles", async (c) => {
    const buckets = await bucketsOf(c, services, isOfFunction(c));
    const percentiles = parseQuery(c, "percentiles", percentilesQuery);
    return c.json(percentiles.map((percentile) => [percentile, series(buckets, latency(percentile))]));
  });

  app.get("/function_call_count_top_k", async (c) =>
    c.json(topFunctions(c, await bucketsOf(c, services, isCall), isCall, ({ completions }) => completions.length)),
  );

  app.get("/failure_percentage_top_k", async (c) =>
    c.json(topFunctions(c, await bucketsOf(c, services, isCall), isFailure, percentage(isFailure))),
  );

  app.get("/cache_hit_percentage_top_k", async (c) => {
    const buckets = await bucketsOf(c, services, ({ udfType, willRetry }) => udfType === "Query" && willRetry !== true);
    return c.json(topFunctions(c, buckets, (completion) => !isCacheHit(completion), percentage(isCacheHit)));
  });

  for (const path of ["/table_rate", "/scheduled_job_lag"]) {
    app.get(path, async (c) => c.json(series(await bucketsOf(c, services, () => false), unknown)));
  }

  app.get("/subscription_invalidations_top_k", async (c) => {
    await adminOf(c, services);
    return c.json([]);
  });

  app.get("/function_concurrency", async (c) => {
    await adminOf(c, services);
    return c.json({});
  });
  return app;
}

type Test = (completion: FunctionCompletion) => boolean;

const isCall: Test = ({ willRetry }) => willRetry !== true;
const isFailure: Test = ({ error }) => error !== null;
const isCacheHit: Test = ({ cachedResult }) => cachedResult === true;

const COUNTS: ReadonlyMap<string, Test> = new Map([
  ["invocations", () => true],
  ["errors", isFailure],
  ["cacheHits", isCacheHit],
  ["cacheMisses", (completion: FunctionCompletion) => !isCacheHit(completion)],
]);

type Measure = (bucket: Bucket) => number | null;

const unknown: Measure = () => null;

/** Per second. */
function rate(test: Test): Measure {
  return ({ completions, seconds }) => completions.filter(test).length / seconds;
}

function percentage(test: Test): Measure {
  return ({ completions }) =>
    completions.length === 0 ? null : (100 * completions.filter(test).length) / completions.length;
}

/** Seconds that so many percent of the executions did not exceed. */
function latency(percentile: number): Measure {
  return ({ completions }) => {
    const durations = completions.map(({ duration }) => duration).toSorted((a, b) => a - b);
    const at = Math.max(0, Math.ceil((percentile / 100) * durations.length) - 1);
    const found = durations[at];
    return found === undefined ? null : found / 1000;
  };
}

function series(buckets: readonly Bucket[], measure: Measure): Timeseries {
  return buckets.map((bucket) => {
    const seconds = Math.floor(bucket.startMs / 1000);
    const nanos = Math.round((bucket.startMs - seconds * 1000) * 1e6);
    return [{ secs_since_epoch: seconds, nanos_since_epoch: nanos }, measure(bucket)];
  });
}

/** The functions of which most completions pass the test, each with a chart of its own, and one for all others. */
function topFunctions(
  c: HttpContext,
  buckets: readonly Bucket[],
  test: Test,
  measure: Measure,
): readonly (readonly [string, Timeseries])[] {
  const k = Math.min(Number(c.req.query("k") ?? "") || 5, MAX_FUNCTIONS);
  const counts = new Map<string, number>();
  for (const completion of buckets.flatMap(({ completions }) => completions)) {
    const name = nameOf(completion);
    counts.set(name, (counts.get(name) ?? 0) + (test(completion) ? 1 : 0));
  }
  const ranked = [...counts].toSorted(([, a], [, b]) => b - a).map(([name]) => name);
  const top = new Set(ranked.slice(0, k));
  const of = (keep: Test): Timeseries =>
    series(
      buckets.map((bucket) => ({ ...bucket, completions: bucket.completions.filter(keep) })),
      measure,
    );
  return [
    ...[...top].map((name) => [name, of((completion) => nameOf(completion) === name)] as const),
    ...(ranked.length > top.size ? [["_rest", of((completion) => !top.has(nameOf(completion)))] as const] : []),
  ];
}

function nameOf({ componentPath, identifier }: FunctionCompletion): string {
  return componentPath === null || componentPath === "" ? identifier : `${componentPath}/${identifier}`;
}

/** Executions of the function that the request names. */
function isOfFunction(c: HttpContext): Test {
  const { path = "", udfType, componentPath = "" } = c.req.query();
  const wanted = withoutExtension(path);
  return (completion) =>
    isCall(completion) &&
    withoutExtension(completion.identifier) === wanted &&
    (completion.componentPath ?? "") === componentPath &&
    (udfType === undefined || completion.udfType === udfType);
}

function withoutExtension(identifier: string): string {
  return identifier.replace(/\.js(?=:|$)/, "");
}

async function bucketsOf(c: HttpContext, services: HttpServices, keep: Test): Promise<readonly Bucket[]> {
  await adminOf(c, services);
  const { start, end, num_buckets: count } = parseQuery(c, "window", windowQuery);
  const length = (end - start) / count;
  if (length <= 0) throw badRequest("BadWindow", "The window ends before it starts.");
  const { entries } = await services.logs.read({ cursor: 0, holdMs: 0, only: { completions: true, bare: true } });
  const buckets = Array.from({ length: count }, (_, at) => ({
    startMs: start + at * length,
    seconds: length / 1000,
    completions: new Array<FunctionCompletion>(),
  }));
  for (const entry of entries) {
    if (entry.kind !== "Completion" || !keep(entry.completion)) continue;
    const { startedAt, duration } = entry.completion;
    buckets[Math.floor((startedAt + duration - start) / length)]?.completions.push(entry.completion);
  }
  return buckets;
}

function parseQuery<Schema extends z.ZodType>(c: HttpContext, name: string, schema: Schema): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(c.req.query(name) ?? ""));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badRequest("BadQueryParameter", `Invalid query parameter \`${name}\`: ${reason}`);
  }
}
