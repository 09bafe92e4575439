import type { DashboardService } from "../../src/http/services.ts";
import type { FunctionOutcome } from "../../src/protocol/execution.ts";

/** For backends of tests that have no data to look at. */
export const NO_DASHBOARD: DashboardService = {
  shapes: () => answer(`{"messages":{"type":"Never"}}`),
  sourceCode: () => answer("null"),
  indexes: () => answer(`{"indexes":[]}`),
  deleteTables: () => Promise.resolve(),
};

function answer(value: string): Promise<FunctionOutcome> {
  return Promise.resolve({ ok: true, value, logLines: [] });
}
