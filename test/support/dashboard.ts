import { ConvexClient } from "convex/browser";
import { type FunctionReference, makeFunctionReference, type PaginationResult } from "convex/server";
import { Updates } from "./updates.ts";

type Arguments = Record<string, unknown>;

/** The dashboard's connection: the official client, signed in by an admin key. */
export class Dashboard implements AsyncDisposable {
  readonly #client: ConvexClient;

  constructor(url: string, adminKey: string | null, actingAs?: object) {
    this.#client = new ConvexClient(url, { skipConvexDeploymentUrlCheck: true, logger: false });
    const authority: { setAdminAuth?: (key: string, actingAs?: object) => void } = this.#client.client as object;
    if (adminKey !== null) authority.setAdminAuth?.(adminKey, actingAs);
  }

  query<T>(name: string, args: Arguments = {}): Promise<T> {
    return this.#client.query(reference<"query", T>(name), args);
  }

  mutation<T>(name: string, args: Arguments = {}): Promise<T> {
    return this.#client.mutation(reference<"mutation", T>(name), args);
  }

  /** Every value of a subscription. */
  watch<T>(name: string, args: Arguments = {}): Updates<T> {
    const updates = new Updates<T>();
    this.#client.onUpdate(
      reference<"query", T>(name),
      args,
      (value) => updates.add(value),
      (error) => {
        throw error;
      },
    );
    return updates;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

export type Page<T> = PaginationResult<T>;

// What a system function answers is what its test says it is.
function reference<Kind extends "query" | "mutation", T>(
  name: string,
): FunctionReference<Kind, "public", Arguments, T> {
  return makeFunctionReference<Kind, Arguments, T>(name);
}
