import { logBackgroundFailure } from "../shared/background-failure.ts";
import { DurableObject } from "cloudflare:workers";
import type { IndexAddress } from "../engine/derived-index.ts";
import type { Persistence } from "../engine/persistence.ts";
import { encodeRpcError, encodeRpcValue } from "../protocol/rpc-error.ts";
import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Log } from "../shared/log.ts";
import { parseRequest, type SearchStub } from "./messages.ts";
import { SearchService } from "./search-service.ts";
import type { Sql } from "./sql.ts";
import type { VectorizeBinding } from "./vectorize/binding.ts";

export interface SearchComposition {
  readonly persistence: Pick<Persistence, "read" | "log" | "loadCatalog">;
  readonly clock: Clock;
  readonly log: Log;
  readonly pause: () => Promise<void>;
  readonly retentionMs: number;
  /** Holds the vectors of the indexes that have its number of dimensions; `null`: there is none. */
  readonly vectorize: VectorizeBinding | null;
  /** Bound of what one index keeps in memory. */
  readonly memoryBytes: number;
}

const ADDRESS = "index";
/** Which engine the stored index is one of. */
const ENGINE = "engine";

/**
 * One search index: a Durable Object of which all Workers use the one named after the index. What it stores is
 * derived from the documents in D1. Its alarm follows the commit log while that still has what happened since.
 */
export abstract class SearchObject<Env> extends DurableObject<Env> implements SearchStub {
  readonly #composition: SearchComposition;
  #service: SearchService | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#composition = this.compose(env);
  }

  protected abstract compose(env: Env): SearchComposition;

  build(requestJson: string): Promise<string> {
    return this.#answer(async () => {
      const { index, budgetMs } = parseRequest("build", requestJson);
      return (await this.#serve(index)).build(budgetMs);
    });
  }

  searchVectors(requestJson: string): Promise<string> {
    return this.#answer(async () => {
      const { index, query } = parseRequest("searchVectors", requestJson);
      return (await this.#serve(index)).searchVectors(query);
    });
  }

  searchTexts(requestJson: string): Promise<string> {
    return this.#answer(async () => {
      const { index, query, limit, ts } = parseRequest("searchTexts", requestJson);
      return (await this.#serve(index)).searchTexts(query, limit, ts);
    });
  }

  override async alarm(): Promise<void> {
    const { log, persistence } = this.#composition;
    const address = await this.ctx.storage.get<IndexAddress>(ADDRESS);
    if (address === undefined) return;
    try {
      const { indexes } = await persistence.loadCatalog();
      if (!indexes.some(({ id }) => id === address.indexId)) {
        // Dropped: nobody will ask for it again.
        await (await this.#serve(address)).drop();
        this.#service = null;
        await this.ctx.storage.deleteAll();
        return;
      }
      await this.#schedule();
      await (await this.#serve(address)).build(0);
    } catch (error) {
      logBackgroundFailure(log, "search.follow", error);
      await this.#schedule();
    }
  }

  async #serve(address: IndexAddress): Promise<SearchService> {
    if (this.#service !== null) return this.#service;
    const { storage } = this.ctx;
    const vectorize = await this.#vectorizeFor(address);
    const engine = vectorize === null ? "own" : "vectorize";
    const before = await storage.get<string>(ENGINE);
    // What another engine has stored is of no use to this one.
    if (before !== undefined && before !== engine) await storage.deleteAll();
    if (before !== engine) await storage.put(ENGINE, engine);
    if ((await storage.getAlarm()) === null) {
      await storage.put(ADDRESS, address);
      await this.#schedule();
    }
    const { sql } = storage;
    const own: Sql = {
      // Read to its end: a statement with an open cursor can not be used again, and is compiled anew.
      exec: (query, ...bindings) => sql.exec(query, ...bindings).toArray(),
      transaction: (body) => storage.transactionSync(body),
    };
    return (this.#service ??= new SearchService({ ...this.#composition, sql: own, index: address, vectorize }));
  }

  async #vectorizeFor({ definition }: IndexAddress): Promise<VectorizeBinding | null> {
    const { vectorize } = this.#composition;
    if (vectorize === null || definition.type !== "vector") return null;
    return (await vectorize.describe()).dimensions === definition.dimensions ? vectorize : null;
  }

  /** Well before the log forgets what the index has seen. */
  #schedule(): Promise<void> {
    return this.ctx.storage.setAlarm(Date.now() + this.#composition.retentionMs / 3);
  }

  async #answer(work: () => Promise<unknown>): Promise<string> {
    try {
      return encodeRpcValue(JSON.stringify(await work()));
    } catch (error) {
      if (!(error instanceof CodedError)) this.#composition.log.error("search.failed", error);
      return encodeRpcError(error);
    }
  }
}
