import type { OptimisticLocalStore } from "convex/browser";
import {
  type PaginatedQueryReference,
  type UsePaginatedQueryResult,
  useAction as useActionOf,
  useMutation as useMutationOf,
  usePaginatedQuery as usePaginatedQueryOf,
  useQuery as useQueryOf,
} from "convex/react";
import { type FunctionReference, makeFunctionReference } from "convex/server";
import type { Value } from "convex/values";

/**
 * The hooks that old apps import from `convex/_generated/react`, which today's code generator no longer writes:
 * functions are named by strings, `"module:export"`. Such a file is one line: `export * from "convection/react"`.
 */

type Args = Record<string, Value>;
type Kind = "query" | "mutation" | "action";

/** A function's name, or a reference to it where an app has been brought up to date in part. */
type Named<K extends Kind> = string | FunctionReference<K>;

export interface NamedMutation {
  // Types of arguments and results were generated per app: without that file nobody knows them.
  // oxlint-disable-next-line typescript/no-explicit-any -- as in `convex/react` for untyped references
  (args?: any): Promise<any>;
  withOptimisticUpdate(update: (store: OptimisticLocalStore, args: Args) => void): NamedMutation;
}

// oxlint-disable-next-line typescript/no-explicit-any -- as above
export type NamedAction = (args?: any) => Promise<any>;

/** `undefined` while the query loads; `"skip"` asks for nothing. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export function useQuery(name: Named<"query">, args?: Args | "skip"): any {
  return useQueryOf(reference("query", name), args ?? {});
}

export function useMutation(name: Named<"mutation">): NamedMutation {
  return useMutationOf(reference("mutation", name));
}

export function useAction(name: Named<"action">): NamedAction {
  return useActionOf(reference("action", name));
}

export function usePaginatedQuery(
  name: Named<"query">,
  args: Args | "skip",
  options: { readonly initialNumItems: number },
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
): UsePaginatedQueryResult<any> {
  const query: PaginatedQueryReference = reference("query", name);
  return usePaginatedQueryOf(query, args, options);
}

export { ConvexProvider, ConvexReactClient, useConvex, useConvexConnectionState } from "convex/react";

function reference<K extends Kind>(kind: K, name: Named<K>): FunctionReference<K> {
  return typeof name === "string" ? makeFunctionReference<K>(name) : name;
}
