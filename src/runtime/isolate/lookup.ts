import type { FunctionKind, FunctionTarget, ThrownError } from "../../protocol/invocation.ts";
import { isHolder } from "../../values/exported-functions.ts";
import { newImport, whileImporting } from "./import-phase.ts";
import { importText } from "./module-table.ts";
import type { Realm } from "./realm.ts";
import { thrownError, wholeText } from "./thrown-error.ts";

type Found<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ThrownError };

/**
 * Evaluates a user module and what it imports, under the rules of import, or says why that can't be. No call may be
 * running yet: modules do not know for whom they are evaluated.
 */
export function findModule(realm: Realm, key: string, path: string): Found<object> {
  if (!realm.has(key)) {
    return failed(`Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`);
  }
  const imported = newImport(key);
  try {
    const namespace = whileImporting(imported, () => realm.import(key));
    if (imported.failure === undefined) return { ok: true, value: namespace };
    return { ok: false, error: thrownError(imported.failure) };
  } catch (error) {
    const text = importText(error);
    return { ok: false, error: text === undefined ? thrownError(error) : wholeText(text) };
  }
}

/** Turns an exported function into how to invoke it with the text of its arguments (`abi.md` §1.9). */
export function findFunction(
  realm: Realm,
  target: FunctionTarget,
  kind: Exclude<FunctionKind, "httpAction">,
): Found<(args: string) => Promise<unknown>> {
  const module = findModule(realm, target.module, target.path);
  if (!module.ok) return module;
  const exported: unknown = Object.hasOwn(module.value, target.export)
    ? Reflect.get(module.value, target.export)
    : undefined;
  if (!isHolder(exported)) return failed(`Couldn't find "${target.export}" in module "${target.path}".`);
  const mistake = kindMistake(exported, `${target.path}:${target.export}`, kind);
  if (mistake !== undefined) return failed(mistake);
  const invoke = { query: "invokeQuery", mutation: "invokeMutation", action: "invokeAction" }[kind];
  const method: unknown = Reflect.get(exported, invoke);
  if (typeof method !== "function") return failed(`${target.path}:${target.export}.${invoke} is not a function.`);
  const leading = kind === "action" ? [""] : [];
  return {
    ok: true,
    value: async (args) => (await Reflect.apply(method, exported, [...leading, args])) as unknown,
  };
}

function kindMistake(exported: object, name: string, kind: FunctionKind): string | undefined {
  const isQuery = Reflect.get(exported, "isQuery") === true;
  const isMutation = Reflect.get(exported, "isMutation") === true;
  switch (kind) {
    case "action":
      if (Reflect.get(exported, "isAction") === true) return undefined;
      return `Function ${name} is not an action. Did you forget to wrap it with \`action\`?`;
    case "query":
      if (isQuery) return undefined;
      if (isMutation) return `Function ${name} is registered as a mutation but is being run as a query.`;
      break;
    case "mutation":
      if (isMutation) return undefined;
      if (isQuery) return `Function ${name} is registered as a query but is being run as a mutation.`;
      break;
    case "httpAction":
      return undefined;
    default:
      return kind satisfies never;
  }
  return `Function ${name} is neither a query or mutation. Did you forget to wrap it with \`query\` or \`mutation\`?`;
}

function failed(text: string): { readonly ok: false; readonly error: ThrownError } {
  return { ok: false, error: wholeText(text) };
}
