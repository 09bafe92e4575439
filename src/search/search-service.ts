import type { DerivedIndex, IndexAddress } from "../engine/derived-index.ts";
import { idOfKey } from "../engine/index-key.ts";
import type { InternalId } from "../engine/names.ts";
import { OutOfRetentionError, type Persistence } from "../engine/persistence.ts";
import { tableRef } from "../engine/read-set.ts";
import type { TextQuery } from "../engine/text/score.ts";
import type { TextAnswer } from "../engine/text/text-index.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { VectorHit, VectorQuery } from "../engine/vector-index.ts";
import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Log } from "../shared/log.ts";
import { Follower } from "./follow/follower.ts";
import type { Sql } from "./sql.ts";
import { TextIndex } from "./text/text-index.ts";
import { ExactVectors } from "./vector/exact-vectors.ts";
import type { VectorizeBinding } from "./vectorize/binding.ts";
import { Outbox } from "./vectorize/outbox.ts";
import { VectorizeIndex } from "./vectorize/vectorize-index.ts";
import { SqlVectorStore } from "./vector/sql-vector-store.ts";

export interface SearchServiceParts {
  readonly index: IndexAddress;
  readonly persistence: Pick<Persistence, "read" | "log">;
  readonly sql: Sql;
  readonly clock: Clock;
  readonly pause: () => Promise<void>;
  readonly memoryBytes: number;
  /** Where the vectors go; `null`: they are kept here. */
  readonly vectorize?: VectorizeBinding | null;
  readonly log: Log;
}

const LOG_PAGE = 256;

/** What the Durable Object does, without the Durable Object. */
export class SearchService {
  readonly #parts: SearchServiceParts;
  readonly #vectors: ExactVectors | null;
  readonly #vectorize: VectorizeIndex | null;
  readonly #texts: TextIndex | null;
  readonly #follower: Follower;
  #pumping = false;

  constructor(parts: SearchServiceParts) {
    const { index, sql, memoryBytes, pause } = parts;
    const { definition } = index;
    this.#parts = parts;
    const { vectorize: binding = null } = parts;
    const elsewhere = definition.type === "vector" && binding !== null;
    this.#vectorize = elsewhere
      ? new VectorizeIndex({ ...parts, binding, outbox: new Outbox(sql), index: { ...index, definition } })
      : null;
    this.#vectors =
      definition.type === "vector" && !elsewhere
        ? new ExactVectors({ store: new SqlVectorStore(sql), definition, memoryBytes, pause })
        : null;
    this.#texts = definition.type === "search" ? new TextIndex(sql, definition) : null;
    this.#follower = new Follower({ ...parts, index: this.#derived, tableId: index.tableId });
  }

  /** Works for about `budgetMs`. True: the index is complete. */
  async build(budgetMs: number): Promise<boolean> {
    const complete = await this.#follower.advance(budgetMs);
    this.#pump();
    return complete;
  }

  /** The index was dropped: what is stored elsewhere goes. */
  async drop(): Promise<void> {
    await this.#vectorize?.drop();
  }

  async searchVectors(query: VectorQuery): Promise<readonly VectorHit[]> {
    const [vectors, vectorize] = [this.#vectors, this.#vectorize];
    if (vectors !== null) return await this.#follower.at("latest", () => vectors.search(query));
    if (vectorize === null) throw new Error("Not a vector index");
    const begun = await this.#follower.at("latest", (ts) => vectorize.begin(query, ts));
    this.#pump();
    return await begun.finish();
  }

  /** Whoever searches does not wait for it: what Vectorize does not show is found without it. */
  #pump(): void {
    if (this.#vectorize === null || this.#pumping) return;
    this.#pumping = true;
    void this.#vectorize
      .pump()
      .catch((error: unknown) => this.#parts.log.error("search.vectorize", error))
      .finally(() => {
        this.#pumping = false;
      });
  }

  async searchTexts(query: TextQuery, limit: number, ts: Timestamp): Promise<TextAnswer> {
    const texts = this.#texts;
    if (texts === null) throw new Error("Not a text index");
    const answer = await this.#follower.at(ts, (at) => ({ ts: at, ...texts.search(query, limit) }));
    const asked = ts === 0 || ts === answer.ts;
    return { ...answer, changed: asked ? [] : await this.#changed(ts, answer.ts) };
  }

  get #derived(): DerivedIndex {
    const derived = this.#vectors ?? this.#vectorize ?? this.#texts;
    if (derived === null) throw new Error("An index of another type");
    return derived;
  }

  /** Documents of the table that were written after `from`, up to `to`. */
  async #changed(from: Timestamp, to: Timestamp): Promise<readonly InternalId[]> {
    const { persistence, index } = this.#parts;
    const table = tableRef(index.tableId);
    const ids = new Set<InternalId>();
    for (let after = from; ;) {
      const log = await this.#log(persistence, after);
      for (const { ts, keys } of log) {
        if (ts > to) continue;
        for (const [ref, key] of keys) if (ref === table) ids.add(idOfKey(key));
      }
      const last = log.at(-1);
      if (last === undefined || log.length < LOG_PAGE || last.ts >= to) return [...ids];
      after = last.ts;
    }
  }

  async #log(persistence: SearchServiceParts["persistence"], after: Timestamp): ReturnType<Persistence["log"]> {
    try {
      return await persistence.log(after, LOG_PAGE);
    } catch (error) {
      if (!(error instanceof OutOfRetentionError)) throw error;
      const message = "The query took longer than old versions of documents are kept. Try again.";
      throw new CodedError("OutOfRetention", "SnapshotTooOld", message, { cause: error });
    }
  }
}
