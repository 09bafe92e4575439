import { z } from "zod";
import type { CatalogCommit } from "../engine/commit/catalog-changes.ts";
import type { IndexId } from "../engine/names.ts";
import type { TableRow } from "../engine/persistence.ts";
import type { MutationCall } from "../protocol/execution.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import type { RunJobRequest } from "../protocol/scheduling.ts";
import { badRequest } from "../shared/coded-error.ts";

/** `Head.catalogTs` and the change made for it. Answered with a `CatalogCommitResult`. */
export interface CatalogCommitRequest extends CatalogCommit {
  readonly v: 1;
}

/**
 * Ids for rows of a `CatalogChange`. A table that exists or is reserved already keeps its row. A committed table
 * brings its index `by_creation_time`. Answered with `Allocated`.
 */
export interface AllocateRequest {
  readonly v: 1;
  readonly tables: readonly Pick<TableRow, "component" | "name">[];
  readonly indexes: number;
}

export interface Allocated {
  readonly tables: readonly TableRow[];
  readonly indexIds: readonly IndexId[];
}

/** A Sync object has sockets and wants to be told of commits. */
export interface ListenRequest {
  readonly v: 1;
  readonly shard: number;
}

interface Requests {
  readonly listen: ListenRequest;
  readonly runMutation: MutationCall;
  readonly runSystem: SystemCall;
  readonly runJob: RunJobRequest;
  readonly commitCatalog: CatalogCommitRequest;
  readonly allocate: AllocateRequest;
}

const VERSIONED = z.looseObject({ v: z.literal(1) });

/** Requests come from our own Workers, perhaps of another version, so the version is what is checked at the door. */
export function parseRequest<Method extends keyof Requests>(_method: Method, text: string): Requests[Method] {
  const request = VERSIONED.safeParse(JSON.parse(text));
  if (!request.success) {
    throw badRequest("UnsupportedVersion", "The Transactor does not know this version of the request.");
  }
  // Built from the same type by the sender; the bytes never leave our own Workers.
  return request.data as unknown as Requests[Method];
}
