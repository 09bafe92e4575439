import type { DerivedIndexes, IndexAddress, VectorDefinition } from "../engine/derived-index.ts";
import type { VectorHit, VectorIndexes, VectorQuery } from "../engine/vector-index.ts";
import { decodeRpcAnswer } from "../protocol/rpc-error.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { SearchStub } from "./messages.ts";

/** The objects that hold search indexes, one each, as the rest of the backend sees them. */
export class SearchClient implements VectorIndexes, DerivedIndexes {
  readonly #stub: (name: string) => SearchStub;

  /** `stub` makes a new one: one that threw is dead. */
  constructor(stub: (name: string) => SearchStub) {
    this.#stub = stub;
  }

  async build(index: IndexAddress, budgetMs: number): Promise<boolean> {
    const answer = this.#of(index).build(JSON.stringify({ v: 1, index, budgetMs }));
    return (await decode(answer)) === true;
  }

  async search(index: IndexAddress<VectorDefinition>, query: VectorQuery): Promise<readonly VectorHit[]> {
    const answer = this.#of(index).searchVectors(JSON.stringify({ v: 1, index, query }));
    // The shape is the object's own.
    return (await decode(answer)) as readonly VectorHit[];
  }

  #of({ indexId }: IndexAddress): SearchStub {
    return this.#stub(`index ${indexId}`);
  }
}

async function decode(answer: Promise<string>): Promise<unknown> {
  return decodeRpcAnswer(
    await answer.catch((cause: unknown) => {
      throw new CodedError(
        "Overloaded",
        "SearchIndexesUnavailable",
        "The search index could not be reached. Try again.",
        { cause },
      );
    }),
  );
}
