import type { Identity } from "../protocol/identity.ts";
import type { StateVersion } from "../protocol/sync.ts";
import type { SentQuery } from "./query-set.ts";
import type { QueryCall, Reads } from "./subscribed-query.ts";

/**
 * Everything a shard knows at a moment when nothing is under way and every client is up to date: what it takes to go
 * on after its memory was lost, without running anything again. Results are kept as their fingerprints.
 */
export interface ShardSnapshot {
  readonly ts: number;
  readonly queries: readonly StoredQuery[];
  readonly clients: readonly StoredClient[];
}

export interface StoredQuery {
  readonly id: number;
  readonly call: QueryCall;
  readonly identity: Identity;
  readonly journal: string | null;
  readonly from: number;
  readonly fingerprint: string;
  readonly readsIdentity: boolean;
  readonly reads: Reads;
}

export interface StoredClient {
  readonly id: string;
  readonly session: SessionState;
  /** Ids of the client and of the shard. */
  readonly queries: readonly (readonly [queryId: number, query: number])[];
}

/** What must outlive the memory of the object while the socket stays open. */
export interface SessionState {
  readonly sessionId: string | null;
  readonly firstConnection: boolean;
  readonly clockSkew: number | null;
  readonly identity: Identity;
  readonly received: { readonly querySet: number; readonly identity: number };
  readonly sent: StateVersion;
  readonly minTs: number;
  readonly queries: readonly SentQuery[];
}
