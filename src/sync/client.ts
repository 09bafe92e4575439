import type { Connection } from "./ports.ts";
import type { Waiter } from "./query-runs.ts";
import type { Session } from "./session.ts";
import type { SessionUpdate } from "./session-work.ts";
import type { QueryVersion, SubscribedQuery } from "./subscribed-query.ts";

export type Query = SubscribedQuery<Client>;

/** One update of one client: all of its queries at `ts`. */
export interface Round {
  readonly ts: number;
  readonly update: SessionUpdate;
  readonly versions: Map<number, QueryVersion>;
  readonly waiters: Map<Query, Waiter>;
  /** Query ids without a version. */
  missing: number;
}

/** One socket and its part in the shard. */
export class Client {
  readonly id: string;
  readonly connection: Connection;
  readonly session: Session;
  readonly queries = new Map<number, Query>();
  /** The query set and identity that `queries` stands for. Null: to be looked at again. */
  joined: { readonly querySet: number; readonly identity: number } | null = null;
  round: Round | null = null;
  /** Since when it has been too far behind to get a Transition. */
  slowSince: number | null = null;
  /** The head is being read for its next round. */
  freshening = false;

  constructor(id: string, connection: Connection, session: Session) {
    this.id = id;
    this.connection = connection;
    this.session = session;
  }

  get idle(): boolean {
    return !this.freshening && this.session.idle;
  }
}
