import type { NodeAnalyzeResponse } from "../../src/protocol/node-actions.ts";
import { findModule, isHolder } from "./modules.ts";
import { thrownError } from "./thrown-error.ts";

type Analyzed = Extract<NodeAnalyzeResponse, { ok: true }>["modules"][number];
type AnalyzedFunction = Analyzed["functions"][number];
type Logs = Extract<NodeAnalyzeResponse, { ok: false }>["logs"];

/** A mistake found by looking, as opposed to an exception of user code. */
class AnalysisMistake extends Error {
  override readonly name = "AnalysisMistake";
}

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
      analyzed.push({ path, functions: functionsOf(path, module.value), httpRoutes: null, crons: null });
    } catch (error) {
      const text = error instanceof AnalysisMistake ? { text: error.message } : {};
      return { ok: false, path, error: thrownError(error, directory), logs, ...text };
    }
  }
  return { ok: true, modules: analyzed };
}

function functionsOf(path: string, namespace: object): AnalyzedFunction[] {
  return Object.entries(namespace).flatMap(([name, value]: [string, unknown]) =>
    isHolder(value) ? (analyzeExport(path, name, value) ?? []) : [],
  );
}

const KINDS = [
  ["isQuery", "Query"],
  ["isMutation", "Mutation"],
  ["isAction", "Action"],
] as const;

/** Undefined for what is no function of the app's: helpers, constants, HTTP actions. */
function analyzeExport(path: string, name: string, exported: object): AnalyzedFunction | undefined {
  const [kind, second] = KINDS.filter(([flag]) => flag in exported);
  if (kind === undefined || second !== undefined) return undefined;
  const isPublic = "isPublic" in exported;
  const isInternal = "isInternal" in exported;
  if (isPublic && isInternal) return undefined;
  const place = `${path}:${name}`;
  const returns = exportedValidator(place, exported, "exportReturns");
  return {
    name,
    kind: kind[1],
    visibility: isPublic ? "public" : isInternal ? "internal" : null,
    args: exportedValidator(place, exported, "exportArgs"),
    returns: returns === "null" ? null : returns,
  };
}

function exportedValidator(place: string, exported: object, member: "exportArgs" | "exportReturns"): string | null {
  const method: unknown = Reflect.get(exported, member);
  if (method === undefined) return null;
  if (typeof method !== "function") {
    throw new AnalysisMistake(`${place}.${member} is not a function or \`undefined\`.`);
  }
  const text: unknown = Reflect.apply(method, exported, []);
  if (typeof text !== "string") {
    throw new AnalysisMistake(`Invalid ${member} return value: ${place}.${member}() didn't return a string.`);
  }
  try {
    JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AnalysisMistake(`Invalid JSON returned from ${place}.${member}(): ${reason}`);
  }
  return text;
}
