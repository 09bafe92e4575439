import { assert } from "../shared/assert.ts";
import { toHex } from "../shared/bytes.ts";
import { type CodedError, badRequest } from "../shared/coded-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import type { Random } from "../shared/random.ts";
import { equalConvexJson } from "../values/compare.ts";
import { displayFloat64, displayValue } from "../values/display-value.ts";
import { allocateInternalId, encodeDocumentId } from "../values/document-id.ts";
import { enforceSchema } from "../values/enforce-schema.ts";
import type { Schema } from "../values/schema.ts";
import { checkStoredDocument } from "../values/stored-document.ts";
import type { BatchedReader } from "./batched-reader.ts";
import type { CreationTimes } from "./creation-time.ts";
import { idKey } from "./index-key.ts";
import type { LargestDocuments } from "./largest-documents.ts";
import type { ComponentPath, InternalId } from "./names.ts";
import type { PendingWrites } from "./pending-writes.ts";
import type { StoredDocument, TableRow } from "./persistence.ts";
import { type ReadSetRecorder, tableRef } from "./read-set.ts";
import type { Tables } from "./tables.ts";
import type { UsageMeter } from "./usage.ts";
import type { WrittenDocument } from "./write-set.ts";

export interface WriteContext {
  readonly reader: BatchedReader;
  readonly pending: PendingWrites;
  readonly usage: UsageMeter;
  readonly reads: ReadSetRecorder;
  readonly tables: Tables;
  readonly largest: LargestDocuments;
  /** Draws ids; not the generator that user code sees. */
  readonly random: Random;
  /** Milliseconds. */
  readonly now: number;
  /** One for all documents of the transaction. */
  readonly creationTimes: CreationTimes;
  readonly schemas: (component: ComponentPath) => Schema | null;
}

/** Fields of a patch; `undefined` removes one. */
export type Patch = ReadonlyMap<string, JsonValue | undefined>;

interface Current {
  /** As the transaction began with it; `null` when it has made the document itself. */
  readonly before: StoredDocument | null;
  readonly document: StoredDocument | WrittenDocument;
  readonly value: JsonObject;
}

/** Inserts, patches, replacements and deletions of one transaction: checked, counted, then pending. */
export class DocumentWrites {
  readonly #context: WriteContext;

  constructor(context: WriteContext) {
    this.#context = context;
  }

  /** Returns the text of the new id. */
  insert(table: TableRow, value: JsonObject): string {
    const { random, now, pending, creationTimes } = this.#context;
    // The hex of 16 bytes is an internal id.
    const id = toHex(allocateInternalId(random, { now: () => now })) as InternalId;
    const system = { id: encodeDocumentId(table.number, id), creationTime: creationTimes.next() };
    const after = this.#checked(table, id, withSystemFields(system, value));
    pending.put({ tableId: table.id, id, before: null, after });
    return system.id;
  }

  /** The resulting document. A patch that changes nothing writes nothing. */
  async patch(table: TableRow, id: InternalId, patch: Patch): Promise<{ readonly json: string }> {
    const { before, document, value } = await this.#current(table, id, "Update");
    const fields = new Map(Object.entries(value));
    for (const [name, field] of patch) {
      if (field === undefined) fields.delete(name);
      else fields.set(name, field);
    }
    const patched = withSystemFields(systemFields(value), Object.fromEntries(fields));
    if (equalConvexJson(patched, value)) return document;
    const after = this.#checked(table, id, patched);
    this.#context.pending.put({ tableId: table.id, id, before, after });
    return after;
  }

  async replace(table: TableRow, id: InternalId, replacement: JsonObject): Promise<{ readonly json: string }> {
    const { before, value } = await this.#current(table, id, "Replace");
    const after = this.#checked(table, id, withSystemFields(systemFields(value), replacement));
    this.#context.pending.put({ tableId: table.id, id, before, after });
    return after;
  }

  /** The document that is gone. */
  async remove(table: TableRow, id: InternalId): Promise<{ readonly json: string }> {
    const { before, document } = await this.#current(table, id, "Delete");
    this.#context.usage.chargeWrite(0);
    this.#context.pending.put({ tableId: table.id, id, before, after: null });
    return document;
  }

  /** The version to be changed. Changing it depends on it, but is not a read of the developer's. */
  async #current(table: TableRow, id: InternalId, verb: string): Promise<Current> {
    const { reader, pending, reads, tables } = this.#context;
    reads.addKey(tableRef(table.id), idKey(id));
    const write = pending.get(table.id, id);
    const stored = write === undefined && !tables.isNew(table.id) ? await reader.document(table.id, id) : null;
    const before = write === undefined ? stored : write.before;
    const document = write === undefined ? stored : write.after;
    if (document === null) {
      throw badRequest(
        "NonexistentDocument",
        `${verb} on nonexistent document ID ${encodeDocumentId(table.number, id)}`,
      );
    }
    const value: JsonValue = "value" in document ? document.value : JSON.parse(document.json);
    assert(isJsonObject(value), "a document is an object");
    return { before, document, value };
  }

  #checked(table: TableRow, id: InternalId, document: JsonObject): WrittenDocument {
    const { usage, tables, schemas, largest } = this.#context;
    const { value, size, nesting, hasCommitTs } = checkStoredDocument(document);
    assert(isJsonObject(value), "a document is an object");
    const schema = schemas(table.component);
    if (schema !== null) {
      const tableName = (number: number) => tables.nameOf(table.component, number);
      enforceSchema(schema, table.name, value, { tableName });
    }
    usage.chargeWrite(size);
    largest.add(table.number, id, size, nesting);
    return { value, json: JSON.stringify(value), size, hasCommitTs };
  }
}

interface SystemFields {
  readonly id: string;
  readonly creationTime: number;
}

function systemFields({ _id: id, _creationTime: creationTime }: JsonObject): SystemFields {
  assert(typeof id === "string" && typeof creationTime === "number", "a stored document has its system fields");
  return { id, creationTime };
}

/** The document with the system fields it has. Repeating them unchanged is allowed, changing them is not. */
function withSystemFields({ id, creationTime }: SystemFields, value: JsonObject): JsonObject {
  const { _id: givenId = id, _creationTime: givenTime = creationTime } = value;
  if (givenId !== id) {
    throw mismatch(`Provided document ID ${id} doesn't match '_id' field ${displayValue(givenId)}`);
  }
  if (givenTime !== creationTime) {
    throw mismatch(
      `Provided creation time ${displayFloat64(creationTime)} doesn't match '_creationTime' field in ${displayValue(value)}`,
    );
  }
  return { ...value, _id: id, _creationTime: creationTime };
}

function mismatch(message: string): CodedError {
  return badRequest("SystemFieldMismatch", message);
}
