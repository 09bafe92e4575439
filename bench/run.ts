// `npm run bench`: the same work at a hand-written Worker and at Convection, alternating in one run. docs: RESULTS.md
import { startBaseline } from "./baseline-target.ts";
import { startConvection } from "./convection-target.ts";
import { LoadGenerator } from "./load-generator.ts";
import { median } from "./statistics.ts";
import type { Workload } from "./target.ts";

await using baseline = await startBaseline();
await using convection = await startConvection();
await using generator = new LoadGenerator();
await Promise.all([baseline.seed(1000), convection.seed(1000)]);
for (const workload of ["get", "list", "insert", "modify", "hot", "noop", "actionQuery"] satisfies Workload[]) {
  for (const connections of [1, 32]) {
    const r: Record<string, number[]> = {};
    for (let round = 0; round < 4; round++) {
      for (const t of [baseline, convection]) {
        const result = await generator.run({ ...t.request(workload), url: t.url, connections, milliseconds: round === 0 ? 300 : 800 });
        if (round > 0) (r[t.name] ??= []).push(result.perSecond);
      }
    }
    const b = r["baseline"] ?? [], c = r["Convection"] ?? [];
    console.log(workload, connections, median(b).toFixed(0), median(c).toFixed(0), median(b.map((x, i) => (c[i] ?? 0) / x)).toFixed(2));
  }
}
