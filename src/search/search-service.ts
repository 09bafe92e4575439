import type { IndexAddress } from "../engine/derived-index.ts";
import type { Persistence } from "../engine/persistence.ts";
import type { VectorHit, VectorQuery } from "../engine/vector-index.ts";
import type { Clock } from "../shared/clock.ts";
import { Follower } from "./follow/follower.ts";
import type { Sql } from "./sql.ts";
import { ExactVectors } from "./vector/exact-vectors.ts";
import { SqlVectorStore } from "./vector/sql-vector-store.ts";

export interface SearchServiceParts {
  readonly index: IndexAddress;
  readonly persistence: Pick<Persistence, "read" | "log">;
  readonly sql: Sql;
  readonly clock: Clock;
  readonly pause: () => Promise<void>;
  readonly memoryBytes: number;
}

/** What the Durable Object does, without the Durable Object. */
export class SearchService {
  readonly #vectors: { readonly index: ExactVectors; readonly follower: Follower };

  constructor({ index: { definition, tableId }, sql, memoryBytes, pause, persistence, clock }: SearchServiceParts) {
    if (definition.type !== "vector") throw new Error("not a vector index");
    const index = new ExactVectors({ store: new SqlVectorStore(sql), definition, memoryBytes, pause });
    this.#vectors = { index, follower: new Follower({ persistence, index, tableId, clock, pause }) };
  }

  build(budgetMs: number): Promise<boolean> {
    return this.#vectors.follower.advance(budgetMs);
  }

  searchVectors(query: VectorQuery): Promise<readonly VectorHit[]> {
    const { follower, index } = this.#vectors;
    return follower.at("latest", () => index.search(query));
  }
}
