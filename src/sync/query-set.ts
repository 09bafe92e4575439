import type { Modification, ModifyQuerySet, ResultText } from "../protocol/sync.ts";
import { argumentsText } from "./arguments-text.ts";

export interface SessionQuery {
  readonly queryId: number;
  readonly udfPath: string;
  /** ConvexJSON text of the positional arguments. */
  readonly args: string;
  readonly componentPath: string;
  /** As the client knows it from an earlier connection. */
  readonly journal: string | null;
}

/** `sent`: fingerprint of the last result on this socket. */
export type SentQuery = SessionQuery & { readonly sent: string | null };

/** A query's result at the timestamp of an update. Equal fingerprints: nothing that a client sees has changed. */
export interface SessionResult {
  readonly queryId: number;
  readonly fingerprint: string;
  readonly text: ResultText;
}

/** The queries that a client subscribes to, and what it was sent of each. */
export class QuerySet {
  /** By query id. */
  readonly #queries = new Map<number, SentQuery>();
  /** Sent once, and not to be sent again. */
  #removed: number[] = [];

  constructor(queries: readonly SentQuery[]) {
    for (const query of queries) this.#queries.set(query.queryId, query);
  }

  get all(): readonly SentQuery[] {
    return [...this.#queries.values()];
  }

  /** False: a client that means what it says could not have asked for that, and the set is half changed. */
  modify(modifications: ModifyQuerySet["modifications"], mayName: (componentPath: string) => boolean): boolean {
    for (const modification of modifications) {
      const { queryId } = modification;
      const present = this.#queries.get(queryId);
      if (modification.type === "Add") {
        const componentPath = modification.componentPath ?? "";
        if (present !== undefined || !mayName(componentPath)) return false;
        this.#queries.set(queryId, {
          queryId,
          udfPath: modification.udfPath,
          args: argumentsText(modification.args ?? [null]),
          componentPath,
          journal: modification.journal ?? null,
          sent: null,
        });
      } else {
        if (present === undefined) return false;
        this.#queries.delete(queryId);
        if (present.sent !== null) this.#removed.push(queryId);
      }
    }
    return true;
  }

  /** Takes these results for sent. What the client has to be told: what changed, and what it has no more. */
  send(results: readonly SessionResult[]): readonly Modification[] {
    const modifications: Modification[] = [];
    for (const { queryId, fingerprint, text } of results) {
      const query = this.#queries.get(queryId);
      // Unsubscribed meanwhile.
      if (query === undefined || query.sent === fingerprint) continue;
      this.#queries.set(queryId, { ...query, sent: fingerprint });
      modifications.push({ queryId, result: text });
    }
    for (const queryId of this.#removed) {
      if (!this.#queries.has(queryId)) modifications.push({ queryId, result: "removed" });
    }
    this.#removed = [];
    return modifications.toSorted((a, b) => a.queryId - b.queryId);
  }
}
