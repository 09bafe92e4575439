import type { LogsStub } from "../logs/messages.ts";
import type { SchedulerStub } from "../scheduler/scheduler-client.ts";
import type { SearchStub } from "../search/messages.ts";
import type { VectorizeBinding } from "../search/vectorize/binding.ts";
import type { TransactorStub } from "../transactor/transactor-client.ts";

/** What wrangler.toml and `convection start` bind to the Worker. Variables are parsed by `protocol/parse-settings.ts`. */
export interface Bindings {
  readonly DB: D1Database;
  /** Files of the app. */
  readonly FILES: R2Bucket;
  /** Pushed code, content-addressed. */
  readonly CODE: R2Bucket;
  readonly LOADER: WorkerLoader;
  readonly TRANSACTOR: TransactorNamespace;
  /** Removes bytes that no file has. */
  readonly FILE_SWEEPER: { getByName(name: string): { wake(): Promise<void> } };
  /** Imports and exports. */
  readonly TRANSFERS: { getByName(name: string): { start(): Promise<void>; wake(): Promise<void> } };
  readonly SCHEDULER: { getByName(name: string): SchedulerStub };
  /** Function log. */
  readonly LOGS: { getByName(name: string): LogsStub };
  /** Sockets of clients. */
  readonly SYNC: { getByName(name: string): SyncStub };
  /** Search indexes, an object each. */
  readonly SEARCH: { getByName(name: string): SearchStub };
  /** Optional: holds vectors instead of the objects of `SEARCH`. */
  readonly VECTORIZE?: VectorizeBinding;
  readonly [variable: string]: unknown;
}

/** The part of a Durable Object namespace that is used: every deployment has one Transactor, found by name. */
export interface TransactorNamespace {
  getByName(
    name: string,
  ): TransactorStub & { startBackground(): Promise<void>; listen(requestJson: string): Promise<void> };
}

export interface SyncStub {
  fetch(request: Request): Promise<Response>;
  committed(pushJson: string): Promise<string>;
}

export const TRANSACTOR_NAME = "transactor";
export const SCHEDULER_NAME = "scheduler";
export const FILE_SWEEPER_NAME = "file-sweeper";
export const TRANSFERS_NAME = "transfers";
export const LOGS_NAME = "logs";

export function syncName(shard: number): string {
  return `sync-${shard}`;
}
