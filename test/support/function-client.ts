import { ConvexHttpClient } from "convex/browser";
import { anyApi, type FunctionReference } from "convex/server";

type Arguments = Record<string, unknown>;

/** The official HTTP client, with functions by name: `query("documents:get", { id })`. */
export class FunctionClient {
  readonly #client: ConvexHttpClient;

  constructor(url: string) {
    this.#client = new ConvexHttpClient(url, { skipConvexDeploymentUrlCheck: true, logger: false });
  }

  // What a fixture's function answers is what its test says it is.
  query<T = unknown>(name: string, args: Arguments = {}): Promise<T> {
    return this.#client.query(reference<"query", T>(name), args);
  }

  /** Sent at once, not behind the client's other mutations. */
  mutation<T = unknown>(name: string, args: Arguments = {}): Promise<T> {
    return this.#client.mutation(reference<"mutation", T>(name), args, { skipQueue: true });
  }

  action<T = unknown>(name: string, args: Arguments = {}): Promise<T> {
    return this.#client.action(reference<"action", T>(name), args);
  }
}

function reference<Kind extends "query" | "mutation" | "action", T>(
  name: string,
): FunctionReference<Kind, "public", Arguments, T> {
  const [path = "", exported = "default"] = name.split(":");
  let found: unknown = anyApi;
  for (const part of [...path.split("/"), exported]) found = (found as Record<string, unknown>)[part];
  return found as FunctionReference<Kind, "public", Arguments, T>;
}

/** Message of a function's failure without the line that names the request. */
export async function failure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Error) return error.message.replace(/^\[Request ID: [0-9a-f]+\] Server Error\n/, "");
    throw error;
  }
  throw new Error("the call did not fail");
}

/** Tests that share a backend keep to rows of their own. */
let runs = 0;
export function freshRun(): string {
  return `run ${++runs}`;
}
