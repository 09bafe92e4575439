import { compare, type Compared, type Rounds } from "./comparison.ts";
import type { ConvectionTarget } from "./convection-target.ts";
import type { LoadGenerator } from "./load-generator.ts";
import { send } from "./target.ts";

/** What Node actions cost beside the same in the default runtime, and a first call beside later ones. */
export interface NodeActionsReport {
  /** `baseline` is the default runtime. */
  readonly queries: readonly Compared[];
  readonly start: { readonly coldP50Ms: number; readonly coldMaxMs: number; readonly warmP95Ms: number };
}

/** First calls: a changed variable gives every process away, as a push does. */
const COLD_CALLS = 10;
const WARM_CALLS = 200;

export async function measureNodeActions(
  generator: LoadGenerator,
  convection: ConvectionTarget,
  rounds: Rounds,
): Promise<NodeActionsReport> {
  const inIsolate = { ...convection, request: () => convection.request("actionQuery") };
  const inNode = { ...convection, request: () => convection.request("nodeQuery") };
  const queries: Compared[] = [];
  for (const connections of [1, 32]) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    queries.push(
      await compare(generator, { baseline: inIsolate, convection: inNode }, "nodeQuery", connections, rounds),
    );
  }
  return { queries, start: await measureStart(convection) };
}

async function measureStart(convection: ConvectionTarget): Promise<NodeActionsReport["start"]> {
  const call = async (): Promise<number> => {
    const started = performance.now();
    await convection.action("node:noop", {});
    return performance.now() - started;
  };
  const warm: number[] = [];
  // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
  for (let i = 0; i < WARM_CALLS; i++) warm.push(await call());
  const cold: number[] = [];
  for (let i = 0; i < COLD_CALLS; i++) {
    // oxlint-disable-next-line no-await-in-loop -- as above
    await setVariable(convection, String(i));
    // oxlint-disable-next-line no-await-in-loop -- as above
    cold.push(await call());
  }
  const sorted = (times: readonly number[]): number[] => times.toSorted((a, b) => a - b);
  return {
    coldP50Ms: sorted(cold)[Math.floor(cold.length / 2)] ?? Number.NaN,
    coldMaxMs: sorted(cold).at(-1) ?? Number.NaN,
    warmP95Ms: sorted(warm)[Math.floor(warm.length * 0.95)] ?? Number.NaN,
  };
}

async function setVariable({ url, adminKey }: ConvectionTarget, value: string): Promise<void> {
  const headers = { authorization: `Convex ${adminKey}` };
  const request = { path: "/api/update_environment_variables", headers, expect: "" };
  const body = JSON.stringify({ changes: [{ name: "COLD", value }] });
  await send(url, request, body);
  // Processes are got ready while nothing happens, as between a push and the first call.
  await new Promise((resolve) => setTimeout(resolve, 500));
}
