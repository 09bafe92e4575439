import { ConvexClient } from "convex/browser";
import { type FunctionReference, makeFunctionReference, type PaginationResult } from "convex/server";
import { Updates } from "./updates.ts";

type Arguments = Record<string, unknown>;

/** The dashboard's connection: the official client, signed in by an admin key. */
export class Dashboard implements AsyncDisposable {
  readonly #client: ConvexClient;

  constructor(url: string, adminKey: string | null, actingAs?: object) {
    this.#client = new ConvexClient(url, { skipConvexDeploymentUrlCheck: true, logger: false });
    if (adminKey !== null) this.#inner.setAdminAuth(adminKey, actingAs);
  }

  query<T>(name: string, args: Arguments = {}): Promise<T> {
    return this.#client.query(reference<"query", T>(name), args);
  }

  mutation<T>(name: string, args: Arguments = {}): Promise<T> {
    return this.#client.mutation(reference<"mutation", T>(name), args);
  }

  /** Runs a mutation and tells what the page knows of its request. */
  async send(name: string, args: Arguments = {}): Promise<{ readonly sessionId: string; readonly requestId: number }> {
    const { sessionId } = this.#inner;
    const { requestId, mutationPromise } = this.#inner.enqueueMutation(name, args);
    await mutationPromise;
    return { sessionId, requestId };
  }

  /** What the package keeps to itself and to the dashboard. */
  get #inner(): InnerClient {
    return this.#client.client as unknown as InnerClient;
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

interface InnerClient {
  readonly sessionId: string;
  setAdminAuth(key: string, actingAs?: object): void;
  enqueueMutation(
    name: string,
    args: Arguments,
  ): { readonly requestId: number; readonly mutationPromise: Promise<unknown> };
}

export type Page<T> = PaginationResult<T>;

// What a system function answers is what its test says it is.
function reference<Kind extends "query" | "mutation", T>(
  name: string,
): FunctionReference<Kind, "public", Arguments, T> {
  return makeFunctionReference<Kind, Arguments, T>(name);
}
