import { toHex } from "../shared/bytes.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { checkConvexJson } from "../values/convex-json.ts";
import { allocateInternalId, encodeDocumentId } from "../values/document-id.ts";
import { VALUE_LIMITS } from "../values/limits.ts";
import { checkStoredDocument } from "../values/stored-document.ts";
import { idKey } from "./index-key.ts";
import type { InternalId } from "./names.ts";
import type { StoredDocument, TableRow } from "./persistence.ts";
import { tableRef } from "./read-set.ts";
import type { WriteContext } from "./document-writes.ts";
import type { WrittenDocument } from "./write-set.ts";

/** Arguments of one job may be as large as those of a call, and nested as deeply as values in flight. */
const LIMITS = { ...VALUE_LIMITS, size: VALUE_LIMITS.size + 1024 * 1024, nesting: VALUE_LIMITS.nesting + 4 };

/**
 * Documents that the backend keeps in system tables: read and written like any others of the transaction, rolled back
 * with it, and neither counted towards the developer's limits nor bound by those of documents.
 */
export class SystemDocuments {
  readonly #context: WriteContext;

  constructor(context: WriteContext) {
    this.#context = context;
  }

  /** The transaction depends on it from now on. */
  async get(table: TableRow, id: InternalId): Promise<JsonObject | null> {
    const document = (await this.#read(table, id)).present;
    if (document === null) return null;
    const value: JsonValue = "value" in document ? document.value : JSON.parse(document.json);
    return isJsonObject(value) ? value : null;
  }

  /** Returns the text of the new id. `id`: one that was drawn before, of a document that does not exist. */
  insert(table: TableRow, fields: JsonObject, id: InternalId = this.#newId()): string {
    const { pending, creationTimes } = this.#context;
    const text = encodeDocumentId(table.number, id);
    const after = written({ ...fields, _id: text, _creationTime: creationTimes.next() });
    pending.put({ tableId: table.id, id, before: null, after });
    return text;
  }

  /**
   * A document of before, with the system fields it brings; those that are missing are made. `id` is that of its `_id`,
   * of no document of the table. Returns the text of the id.
   */
  restore(table: TableRow, document: JsonObject, id: InternalId = this.#newId()): string {
    const { pending, creationTimes } = this.#context;
    const text = encodeDocumentId(table.number, id);
    const { _creationTime: time } = document;
    const fields = { ...document, _id: text, _creationTime: time ?? creationTimes.next() };
    const { value, size, hasCommitTs } = checkStoredDocument(fields);
    pending.put({
      tableId: table.id,
      id,
      before: null,
      after: { value, json: JSON.stringify(value), size, hasCommitTs },
    });
    return text;
  }

  /** `null` removes it. Does nothing when there is no such document. */
  async replace(table: TableRow, id: InternalId, document: JsonObject | null): Promise<void> {
    const { before, present } = await this.#read(table, id);
    if (present === null) return;
    const after = document === null ? null : written(document);
    this.#context.pending.put({ tableId: table.id, id, before, after });
  }

  #newId(): InternalId {
    const { random, now } = this.#context;
    // The hex of 16 bytes is an internal id.
    return toHex(allocateInternalId(random, { now: () => now })) as InternalId;
  }

  async #read(
    table: TableRow,
    id: InternalId,
  ): Promise<{ readonly before: StoredDocument | null; readonly present: StoredDocument | WrittenDocument | null }> {
    const { reader, pending, reads, tables } = this.#context;
    reads.addKey(tableRef(table.id), idKey(id));
    const write = pending.get(table.id, id);
    if (write !== undefined) return { before: write.before, present: write.after };
    const stored = tables.isNew(table.id) ? null : await reader.document(table.id, id);
    return { before: stored, present: stored };
  }
}

function written(document: JsonObject): WrittenDocument {
  const { value, size, hasCommitTs } = checkConvexJson(document, LIMITS);
  return { value, json: JSON.stringify(value), size, hasCommitTs };
}
