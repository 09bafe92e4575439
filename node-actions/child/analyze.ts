import type { NodeAnalyzeResponse } from "../../src/protocol/node-actions.ts";
import { AnalysisMistake, exportedFunctions } from "../../src/values/exported-functions.ts";
import { findModule } from "./modules.ts";
import { thrownError } from "./thrown-error.ts";

type Analyzed = Extract<NodeAnalyzeResponse, { ok: true }>["modules"][number];
type Logs = Extract<NodeAnalyzeResponse, { ok: false }>["logs"];

/** Which functions the modules export (`abi.md` §1.8). `logs`: what was printed so far, filled by the console. */
export async function analyze(directory: string, modules: readonly string[], logs: Logs): Promise<NodeAnalyzeResponse> {
  const analyzed: Analyzed[] = [];
  for (const path of modules) {
    logs.length = 0;
    const module = await findModule(directory, path);
    if (!module.ok) {
      const { error } = module;
      return { ok: false, path, error, logs, ...(error.whole === true ? { text: error.message } : {}) };
    }
    try {
      analyzed.push({ path, functions: exportedFunctions(path, module.value), httpRoutes: null, crons: null });
    } catch (error) {
      const text = error instanceof AnalysisMistake ? { text: error.message } : {};
      return { ok: false, path, error: thrownError(error, directory), logs, ...text };
    }
  }
  return { ok: true, modules: analyzed };
}
