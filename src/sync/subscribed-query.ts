import type { Interval } from "../engine/interval.ts";
import type { Visibility } from "../protocol/execution.ts";
import type { Identity } from "../protocol/identity.ts";
import type { ResultText } from "../protocol/sync.ts";

/** Intervals of index keys by index, as they cross RPC. */
export type Reads = readonly (readonly [index: string, intervals: readonly Interval[]])[];

/** A function with its arguments, as a client names it. */
export interface QueryCall {
  readonly udfPath: string;
  readonly componentPath: string;
  /** ConvexJSON text of the positional arguments. */
  readonly args: string;
}

/** Who a query is run for. Clients of equal keys see equal results. */
export interface QueryAudience {
  readonly identity: Identity;
  readonly key: string;
  readonly visibility: Visibility;
}

/** A result and when it holds: at every timestamp from `from` to before `until`. */
export interface QueryVersion {
  readonly from: number;
  /** The first commit that wrote to something the query read. Null while there is none. */
  until: number | null;
  readonly fingerprint: string;
  /** Null when only the fingerprint was kept. */
  readonly text: ResultText | null;
  readonly journal: string | null;
  readonly readsIdentity: boolean;
  readonly reads: Reads;
}

export function holdsAt(version: QueryVersion, ts: number): boolean {
  return version.from <= ts && (version.until === null || ts < version.until);
}

/** One distinct query of a shard, shared by everybody who subscribes to it. `Member`: who does. */
export class SubscribedQuery<Member> {
  readonly id: number;
  readonly call: QueryCall;
  /** Whom it is run as: the first who asked. */
  readonly audience: QueryAudience;
  /** What the next run starts from. */
  journal: string | null;
  /** The newest result. */
  current: QueryVersion | null = null;
  readonly members = new Set<Member>();

  constructor(id: number, call: QueryCall, audience: QueryAudience, journal: string | null) {
    this.id = id;
    this.call = call;
    this.audience = audience;
    this.journal = journal;
  }

  /** Whether its results are right for this caller too, as far as is known. */
  serves(audience: QueryAudience): boolean {
    if (audience.visibility !== this.audience.visibility) return false;
    return audience.key === this.audience.key || this.current === null || !this.current.readsIdentity;
  }
}
