import { must } from "../shared/assert.ts";
import { audienceOf } from "./audience.ts";
import type { Client, Query } from "./client.ts";
import type { SessionState, ShardSnapshot, StoredClient, StoredQuery } from "./snapshot.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Null when somebody is not up to date. While nothing is under way. */
export function snapshotOf(
  ts: number,
  subscriptions: Subscriptions<Client>,
  connected: Iterable<Client>,
): ShardSnapshot | null {
  const queries: StoredQuery[] = [];
  for (const { id, call, audience, journal, current } of subscriptions.queries()) {
    if (current === null || current.until !== null) return null;
    const { from, fingerprint, readsIdentity, reads } = current;
    queries.push({ id, call, identity: audience.identity, journal, from, fingerprint, readsIdentity, reads });
  }
  const clients: StoredClient[] = [];
  for (const { id, session, queries: joined } of connected) {
    const { state } = session;
    for (const { queryId, sent } of state.queries) {
      if (sent === null || joined.get(queryId)?.current?.fingerprint !== sent) return null;
    }
    clients.push({ id, session: state, queries: [...joined].map(([queryId, query]) => [queryId, query.id]) });
  }
  return { ts, queries, clients };
}

/** Puts the queries and their clients back. Before anything else happens to the subscriptions. */
export function restoreSnapshot(
  { ts, queries, clients }: ShardSnapshot,
  subscriptions: Subscriptions<Client>,
  connect: (id: string, state: SessionState) => Client,
): void {
  subscriptions.start(ts);
  const restored = new Map<number, Query>();
  for (const { id, call, identity, journal, ...version } of queries) {
    const current = { ...version, until: null, text: null, journal };
    restored.set(id, subscriptions.restore(id, call, audienceOf(identity), journal, current));
  }
  for (const { id, session, queries: joined } of clients) {
    const members = joined.map(([queryId, query]) => [queryId, must(restored.get(query), "stored query")] as const);
    const byId = new Map(members);
    const state: SessionState = {
      ...session,
      queries: session.queries.map((query) => ({
        ...query,
        sent: byId.get(query.queryId)?.current?.fingerprint ?? null,
      })),
    };
    const client = connect(id, state);
    for (const [queryId, query] of members) {
      client.queries.set(queryId, query);
      query.members.add(client);
    }
    client.joined = { querySet: state.received.querySet, identity: state.received.identity };
  }
  // Of sockets that were closed meanwhile.
  for (const query of restored.values()) if (query.members.size === 0) subscriptions.drop(query);
}
