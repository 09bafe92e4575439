import { z } from "zod";
import type { IndexAddress, SearchDefinition, VectorDefinition } from "../engine/derived-index.ts";
import type { TextQuery } from "../engine/text/score.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { VectorQuery } from "../engine/vector-index.ts";

/** Shapes that cross RPC carry a version: old objects meet new Workers. */
export interface BuildRequest {
  readonly v: 1;
  readonly index: IndexAddress;
  readonly budgetMs: number;
}

/** Answered with `VectorHit[]`. */
export interface VectorSearchRequest {
  readonly v: 1;
  readonly index: IndexAddress<VectorDefinition>;
  readonly query: VectorQuery;
}

/** Answered with a `TextAnswer`. */
export interface TextSearchRequest {
  readonly v: 1;
  readonly index: IndexAddress<SearchDefinition>;
  readonly query: TextQuery;
  readonly limit: number;
  readonly ts: Timestamp;
}

interface Requests {
  readonly searchTexts: TextSearchRequest;
  readonly build: BuildRequest;
  readonly searchVectors: VectorSearchRequest;
}

/** The RPC surface of `SearchObject`. Requests and answers are JSON text. */
export interface SearchStub {
  /** True: the index is complete. */
  build(requestJson: string): Promise<string>;
  searchVectors(requestJson: string): Promise<string>;
  searchTexts(requestJson: string): Promise<string>;
}

const VERSIONED = z.looseObject({ v: z.literal(1) });

/** Requests come from our own Workers, perhaps of another version, so the version is what is checked at the door. */
export function parseRequest<Method extends keyof Requests>(_method: Method, text: string): Requests[Method] {
  return VERSIONED.parse(JSON.parse(text)) as unknown as Requests[Method];
}
