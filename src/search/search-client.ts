import type { DerivedIndexes, IndexAddress, SearchDefinition, VectorDefinition } from "../engine/derived-index.ts";
import type { IndexId } from "../engine/names.ts";
import type { TextAnswer, TextIndexes } from "../engine/text/text-index.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { VectorHit, VectorIndexes } from "../engine/vector-index.ts";
import { decodeRpcAnswer } from "../protocol/rpc-error.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { BuildRequest, SearchStub, TextSearchRequest, VectorSearchRequest } from "./messages.ts";

/** An index in which much is written is asked twice by one search in so many. */
const UNSETTLED_SEARCHES = 10;

/** The objects that hold search indexes, one each, as the rest of the backend sees them. */
export class SearchClient implements DerivedIndexes {
  readonly #stub: (name: string) => SearchStub;
  /** Timestamp of each text index's last answer. */
  readonly #seen = new Map<IndexId, Timestamp>();
  /** Searches that will not ask it as it is. */
  readonly #unsettled = new Map<IndexId, number>();

  /** `stub` makes a new one: one that threw is dead. */
  constructor(stub: (name: string) => SearchStub) {
    this.#stub = stub;
  }

  readonly vectors: VectorIndexes = {
    search: async (index: IndexAddress<VectorDefinition>, query) => {
      const request: VectorSearchRequest = { v: 1, index, query };
      // The shapes are the object's own.
      return (await decode(this.#of(index).searchVectors(JSON.stringify(request)))) as readonly VectorHit[];
    },
  };

  readonly texts: TextIndexes = {
    search: async (index: IndexAddress<SearchDefinition>, query, limit, ts) => {
      const request: TextSearchRequest = { v: 1, index, query, limit, ts };
      const { indexId } = index;
      // The index had not seen all: for a while, whoever searches asks for the newest commit first.
      const seen = this.#seen.get(indexId);
      if (seen !== undefined && ts > seen) this.#unsettled.set(indexId, UNSETTLED_SEARCHES);
      const answer = (await decode(this.#of(index).searchTexts(JSON.stringify(request)))) as TextAnswer;
      this.#seen.set(indexId, answer.ts);
      return answer;
    },
    isSettled: ({ indexId }) => {
      const left = this.#unsettled.get(indexId) ?? 0;
      if (left > 0) this.#unsettled.set(indexId, left - 1);
      return left === 0;
    },
  };

  async build(index: IndexAddress, budgetMs: number): Promise<boolean> {
    const request: BuildRequest = { v: 1, index, budgetMs };
    return (await decode(this.#of(index).build(JSON.stringify(request)))) === true;
  }

  #of({ indexId }: IndexAddress): SearchStub {
    return this.#stub(`index ${indexId}`);
  }
}

async function decode(answer: Promise<string>): Promise<unknown> {
  return decodeRpcAnswer(
    await answer.catch((cause: unknown) => {
      const message = "The search index could not be reached. Try again.";
      throw new CodedError("Overloaded", "SearchIndexesUnavailable", message, { cause });
    }),
  );
}
