import type {
  DerivedIndex,
  DocumentChange,
  FollowState,
  IndexAddress,
  VectorDefinition,
} from "../../engine/derived-index.ts";
import { EVERYTHING, type Interval } from "../../engine/interval.ts";
import type { InternalId } from "../../engine/names.ts";
import type { Persistence, StoredDocument } from "../../engine/persistence.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { FieldEquality, VectorHit, VectorQuery } from "../../engine/vector-index.ts";
import type { Clock } from "../../shared/clock.ts";
import { badRequest } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import { filterToken } from "../text/filter-token.ts";
import { TopHits } from "../vector/top-hits.ts";
import { similarity, unitVector } from "../vector/unit-vector.ts";
import { type VectorFields, vectorFields } from "../vector/vector-fields.ts";
import type { VectorizeBinding } from "./binding.ts";
import type { Outbox, RecentVector } from "./outbox.ts";

/** `platform.md` §1.6. */
const MOST_RESULTS = 100;
const METADATA_INDEXES = 10;

const SEND_AT_ONCE = 500;
const CONCURRENT_QUERIES = 6;
const DOCUMENTS = 24;

/** Clocks of two services, and the time a batch takes to be taken. */
const CLOCK_MARGIN_MS = 60_000;

export interface VectorizeIndexParts {
  readonly binding: VectorizeBinding;
  readonly outbox: Outbox;
  readonly index: IndexAddress<VectorDefinition>;
  readonly persistence: Pick<Persistence, "read">;
  readonly clock: Clock;
}

/**
 * Vectors in Cloudflare Vectorize. It shows what it was sent minutes later, and finds nearly the nearest: so what it
 * may not show yet is compared here, and what it finds counts only as the documents are at the snapshot.
 */
export class VectorizeIndex implements DerivedIndex {
  readonly #parts: VectorizeIndexParts;

  constructor(parts: VectorizeIndexParts) {
    this.#parts = parts;
  }

  get state(): FollowState | null {
    return this.#parts.outbox.state;
  }

  async open(): Promise<void> {
    // Everything is in the storage.
  }

  apply(changes: readonly DocumentChange[], state: FollowState): void {
    const { outbox } = this.#parts;
    outbox.change(state, () => {
      for (const { id, document } of changes) this.#put(id, document, outbox.known({ start: id, end: `${id}00` }));
    });
  }

  replace(interval: Interval, documents: readonly DocumentChange[], state: FollowState): void {
    const { outbox } = this.#parts;
    outbox.change(state, () => {
      const known = new Map(outbox.known(interval));
      for (const { id, document } of documents) {
        if (known.get(id) !== document?.ts) this.#put(id, document, known);
        known.delete(id);
      }
      // Ids of this table are internal ids.
      for (const id of known.keys()) this.#put(id as InternalId, null, known);
    });
  }

  clear(): void {
    this.#parts.outbox.clear();
  }

  /** What has to be looked at now, before the index goes on. `finish` then asks Vectorize and the documents. */
  begin(query: VectorQuery, ts: Timestamp): { finish(): Promise<readonly VectorHit[]> } {
    if (query.limit > MOST_RESULTS) {
      throw badRequest(
        "VectorLimitTooLargeError",
        `Vector queries can fetch at most ${MOST_RESULTS} results from Vectorize, requested ${query.limit}.`,
      );
    }
    const recent = this.#parts.outbox.recent();
    return { finish: () => this.#search(query, ts, recent) };
  }

  async #search(query: VectorQuery, ts: Timestamp, recent: readonly RecentVector[]): Promise<readonly VectorHit[]> {
    const { index, persistence } = this.#parts;
    const unit = unitVector(query.vector);
    const top = new TopHits(query.limit);
    const consider = (id: InternalId, fields: VectorFields): void => {
      if (this.#fulfils(fields.filters, query.anyOf)) top.offer({ id, score: similarity(unit, fields.unit) });
    };
    for (const { id, unit: own, filters } of recent) if (own !== null) consider(id, { unit: own, filters });
    const seen = new Set<string>(recent.map(({ id }) => id));
    const found = (await this.#ask(unit, query)).filter((id) => !seen.has(id));
    for (let start = 0; start < found.length; start += DOCUMENTS) {
      const chunk = found.slice(start, start + DOCUMENTS);
      // oxlint-disable-next-line no-await-in-loop -- bounds what is in memory
      const { results } = await persistence.read(
        chunk.map((id) => ({ kind: "get" as const, tableId: index.tableId, id })),
        ts,
      );
      for (const [position, id] of chunk.entries()) {
        const fields = vectorFields(index.definition, parse(results[position] ?? null));
        if (fields !== null) consider(id, fields);
      }
    }
    return top.sorted();
  }

  /** Sends what Vectorize was not sent yet, and forgets what it shows by now. */
  async pump(): Promise<void> {
    const { outbox, binding, clock } = this.#parts;
    for (;;) {
      const vectors = outbox.unsent(SEND_AT_ONCE);
      if (vectors.length === 0) break;
      const present = vectors.filter(({ unit }) => unit !== null);
      const gone = vectors.filter(({ unit }) => unit === null);
      if (present.length > 0) {
        // oxlint-disable-next-line no-await-in-loop -- in the order of the changes
        const { mutationId } = await binding.upsert(present.map((vector) => this.#outgoing(vector)));
        outbox.sent(present, mutationId, clock.now());
      }
      if (gone.length > 0) {
        // oxlint-disable-next-line no-await-in-loop -- in the order of the changes
        const { mutationId } = await binding.deleteByIds(gone.map(({ id }) => this.#prefix + id));
        outbox.sent(gone, mutationId, clock.now());
      }
    }
    const batches = outbox.batches();
    if (batches.length === 0) return;
    const { processedUpToMutation: mutation, processedUpToDatetime } = await binding.describe();
    const processedAt = new Date(processedUpToDatetime as string | number).getTime();
    const shown = batches.findLast(
      (batch) => batch.mutation === mutation || batch.sentAt + CLOCK_MARGIN_MS < processedAt,
    );
    if (shown !== undefined) outbox.settle(shown.number);
  }

  /** The index was dropped: takes back everything that was sent. */
  async drop(): Promise<void> {
    const { outbox, binding } = this.#parts;
    const ids = new Set([...outbox.known(EVERYTHING).keys(), ...outbox.recent().map(({ id }) => id)]);
    const all = Array.from(ids, (id) => this.#prefix + id);
    for (let start = 0; start < all.length; start += SEND_AT_ONCE) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await binding.deleteByIds(all.slice(start, start + SEND_AT_ONCE));
    }
  }

  async #ask(unit: Float32Array, { anyOf }: VectorQuery): Promise<readonly InternalId[]> {
    const { binding, index } = this.#parts;
    const { filterFields } = index.definition;
    const filters: (Record<string, string> | null)[] = (anyOf ?? [null]).map((equality) => {
      if (equality === null) return null;
      const field = filterFields.indexOf(equality.field);
      return field < METADATA_INDEXES ? { [`f${field}`]: filterToken(field, equality.key) } : null;
    });
    const found = new Set<InternalId>();
    for (let start = 0; start < filters.length; start += CONCURRENT_QUERIES) {
      // oxlint-disable-next-line no-await-in-loop -- an object has few connections at once
      const answers = await Promise.all(
        filters.slice(start, start + CONCURRENT_QUERIES).map((filter) =>
          binding.query([...unit], {
            topK: MOST_RESULTS,
            namespace: this.#namespace,
            returnValues: false,
            returnMetadata: "none",
            ...(filter === null ? {} : { filter }),
          }),
        ),
      );
      for (const { matches } of answers) {
        // Ids are those that `#outgoing` gave.
        for (const { id } of matches) found.add(id.slice(this.#prefix.length) as InternalId);
      }
    }
    return [...found];
  }

  #fulfils(filters: readonly string[], anyOf: readonly FieldEquality[] | null): boolean {
    const { filterFields } = this.#parts.index.definition;
    return anyOf === null || anyOf.some(({ field, key }) => filters[filterFields.indexOf(field)] === key);
  }

  #put(id: InternalId, document: StoredDocument | null, known: ReadonlyMap<string, number>): void {
    const fields = vectorFields(this.#parts.index.definition, parse(document));
    if (document !== null && fields !== null) {
      this.#parts.outbox.put({ id, ts: document.ts, ...fields });
      return;
    }
    const ts = known.get(id);
    // Ids are known with the timestamp of their version.
    if (ts !== undefined) this.#parts.outbox.put({ id, ts: ts as Timestamp, unit: null, filters: [] });
  }

  #outgoing({ id, unit, filters }: RecentVector): Parameters<VectorizeBinding["upsert"]>[0][number] {
    return {
      id: this.#prefix + id,
      values: [...(unit ?? [])],
      namespace: this.#namespace,
      metadata: Object.fromEntries(
        filters.slice(0, METADATA_INDEXES).map((key, field) => [`f${field}`, filterToken(field, key)]),
      ),
    };
  }

  get #namespace(): string {
    return `i${this.#parts.index.indexId}`;
  }

  get #prefix(): string {
    return `${this.#namespace}:`;
  }
}

function parse(document: StoredDocument | null): JsonValue {
  return document === null ? null : (JSON.parse(document.json) as JsonValue);
}
