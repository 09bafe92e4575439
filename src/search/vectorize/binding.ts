/** The part of a Vectorize binding that is used. Its answers are those of another service: looked at before use. */
export interface VectorizeBinding {
  describe(): Promise<{
    readonly dimensions: number;
    /** Declared as numbers, documented as an ISO date and a UUID. */
    readonly processedUpToDatetime: unknown;
    readonly processedUpToMutation: unknown;
  }>;
  query(
    vector: number[],
    options: {
      readonly topK: number;
      readonly namespace: string;
      readonly returnValues: false;
      readonly returnMetadata: "none";
      readonly filter?: Record<string, string>;
    },
  ): Promise<{ readonly matches: readonly { readonly id: string }[] }>;
  upsert(
    vectors: {
      readonly id: string;
      readonly values: number[];
      readonly namespace: string;
      readonly metadata: Record<string, string>;
    }[],
  ): Promise<{ readonly mutationId: string }>;
  deleteByIds(ids: string[]): Promise<{ readonly mutationId: string }>;
}
