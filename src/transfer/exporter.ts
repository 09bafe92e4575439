import { Catalog } from "../engine/catalog.ts";
import type { IndexKey, InternalId } from "../engine/names.ts";
import { OutOfRetentionError, type RangeRow } from "../engine/persistence.ts";
import { isStagingComponent } from "../engine/staging.ts";
import { isSystemTable, STORAGE_TABLE } from "../engine/tables.ts";
import { concatenate } from "../shared/bytes.ts";
import { nanoseconds } from "../engine/timestamp.ts";
import { CodedError } from "../shared/coded-error.ts";
import { isJsonObject, type JsonValue } from "../shared/json.ts";
import { encodeInt64 } from "../values/special-value.ts";
import { type ExportDocument, exportFolder, progressKey } from "./export-document.ts";
import { type ExportProgress, exportProgress, type ExportTable } from "./export-progress.ts";
import { documentsEntry, fileEntry, folderOf, README } from "./export-layout.ts";
import { CHANGE_EXPORT_OP } from "./operations.ts";
import { chunksOf, deleteFolder, pieceKey } from "./pieces.ts";
import type { TransferPorts } from "./ports.ts";
import { pinSnapshot, renewPin, unpin } from "./snapshot-pin.ts";
import { EMPTY_ZIP, ZipWriter } from "./zip-writer.ts";

/** Bytes of the file after which they are stored. Twice that and what was read last are in memory at most. */
const PIECE_BYTES = 8 * 1024 * 1024;

const READ_ROWS = 1000;
const READ_BYTES = 2 * 1024 * 1024;

/**
 * Writes one snapshot of the whole deployment into a zip file, a piece after the other. What is needed to go on is
 * stored with each piece: a piece that was begun and not finished is written again.
 */
export class Exporter {
  readonly #ports: TransferPorts;

  constructor(ports: TransferPorts) {
    this.#ports = ports;
  }

  /** Works until there is nothing to do or the deadline (ms) has passed. True: there is more to do at once. */
  async run(document: ExportDocument, deadline: number): Promise<boolean> {
    try {
      const progress = document.state === "requested" ? await this.#start(document) : await this.#load(document);
      if (!(await this.#work(document, progress, deadline))) return true;
      await unpin(this.#ports);
      return false;
    } catch (error) {
      if (error instanceof OutOfRetentionError) {
        // Nobody came for so long that the snapshot is gone: all of it is read anew.
        await this.#change(document, { state: "requested" });
        return true;
      }
      if (error instanceof CodedError && error.retryable) throw error;
      this.#ports.log.error("transfer.export_failed", error, { exportId: document._id });
      await this.#change(document, { state: "failed", error_message: "The export failed. See the backend's logs." });
      await unpin(this.#ports);
      return false;
    }
  }

  async #start(document: ExportDocument): Promise<ExportProgress> {
    const { bucket, clock } = this.#ports;
    await deleteFolder(bucket, exportFolder(document._id));
    const { ts, rows } = await pinSnapshot(this.#ports);
    const tables = [...new Catalog(rows).tables()]
      .filter(({ component }) => !isStagingComponent(component))
      .filter(({ name }) => !isSystemTable(name) || (name === STORAGE_TABLE && document.includeStorage))
      .toSorted((a, b) => (documentsEntry(a) < documentsEntry(b) ? -1 : 1))
      .map(({ id, component, name, number }) => ({ id, component, name, number }));
    const progress: ExportProgress = {
      ts,
      startedAt: clock.now(),
      tables,
      step: 0,
      cursor: null,
      fileOffset: 0,
      pieces: 0,
      zip: EMPTY_ZIP,
    };
    await this.#save(document, progress);
    await this.#change(document, { state: "in_progress", start_ts: encodeInt64(nanoseconds(ts)) });
    return progress;
  }

  async #load(document: ExportDocument): Promise<ExportProgress> {
    const stored = await this.#ports.bucket.get(progressKey(document._id));
    if (stored === null) throw new Error("the progress of the export is gone");
    const progress = exportProgress.parse(await stored.json());
    await renewPin(this.#ports, progress.ts);
    return progress;
  }

  /** True: the export is complete. */
  async #work(document: ExportDocument, start: ExportProgress, deadline: number): Promise<boolean> {
    const { bucket, clock, pause } = this.#ports;
    const progress = { ...start };
    let buffer: Uint8Array[] = [];
    let bytes = 0;
    const zip = new ZipWriter(progress.zip, new Date(progress.startedAt), (part) => {
      buffer.push(part);
      bytes += part.length;
    });
    const flush = async (): Promise<void> => {
      const piece = concatenate(buffer, bytes);
      [buffer, bytes] = [[], 0];
      await bucket.put(pieceKey(exportFolder(document._id), progress.pieces), piece);
      progress.pieces += 1;
      progress.zip = zip.state;
      await this.#save(document, progress);
    };
    if (progress.step === 0 && progress.cursor === null && !zip.isOpen && zip.state.offset === 0) {
      writeEntry(zip, "README.md", README);
      writeTableLists(zip, progress.tables);
    }
    const steps = stepsOf(progress.tables);
    for (let step = steps[progress.step]; step !== undefined; step = steps[progress.step]) {
      const done =
        step.kind === "documents"
          ? await this.#documents(step.table, progress, zip)
          : await this.#files(step.table, progress, zip, () => bytes >= PIECE_BYTES);
      if (done) {
        progress.step += 1;
        progress.cursor = null;
      }
      if (bytes >= PIECE_BYTES) await flush();
      await pause();
      if (clock.now() < deadline) continue;
      await flush();
      return false;
    }
    zip.finish();
    await flush();
    const state = {
      state: "completed",
      start_ts: encodeInt64(nanoseconds(progress.ts)),
      complete_ts: encodeInt64(BigInt(Math.floor(clock.now())) * 1_000_000n),
      zip_object_key: exportFolder(document._id),
    };
    await this.#change(document, state);
    return true;
  }

  /** One page of a table's documents. True: it was the last one. */
  async #documents(table: ExportTable, progress: ExportProgress, zip: ZipWriter): Promise<boolean> {
    const isStorage = table.name === STORAGE_TABLE;
    if (!zip.isOpen) zip.begin(documentsEntry(table), { compressed: true });
    const { rows, more } = await this.#page(table, progress);
    const lines = rows.map(({ document }) => `${document.json}\n`);
    zip.write(new TextEncoder().encode(lines.join("")));
    progress.cursor = rows.at(-1)?.key ?? progress.cursor;
    if (more && rows.length > 0) return false;
    zip.end();
    // The documents say of themselves what their values are.
    if (!isStorage) writeEntry(zip, `${folderOf(table)}generated_schema.jsonl`, '"uniform"\n');
    return true;
  }

  /** One page of stored files, or less if the piece is full. True: none is left. */
  async #files(table: ExportTable, progress: ExportProgress, zip: ZipWriter, full: () => boolean): Promise<boolean> {
    const { files } = this.#ports;
    const { rows, more } = await this.#page(table, progress);
    for (const row of rows) {
      const ref = { component: table.component, id: row.key as string as InternalId };
      const { id, contentType, size } = describe(row);
      if (!zip.isOpen) zip.begin(fileEntry(table, id, contentType), { compressed: false });
      const left = size - progress.fileOffset;
      if (left > 0) {
        const stream = await files.get(ref, { offset: progress.fileOffset, length: left });
        if (stream === null) throw new OutOfRetentionError(`The bytes of file ${id} are gone`);
        for await (const chunk of chunksOf(stream)) {
          zip.write(chunk);
          progress.fileOffset += chunk.length;
          if (full() && progress.fileOffset < size) return false;
        }
      }
      zip.end();
      progress.cursor = row.key;
      progress.fileOffset = 0;
      if (full()) return false;
    }
    return !more || rows.length === 0;
  }

  async #page({ id: tableId }: ExportTable, { cursor, ts }: ExportProgress) {
    // All ids have the same length, so a longer bound lies between this id and the next.
    const start = cursor === null ? "" : `${cursor}00`;
    const { results } = await this.#ports.persistence.read(
      [
        {
          kind: "range",
          tableId,
          index: "by_id",
          interval: { start, end: null },
          order: "asc",
          limit: READ_ROWS,
          maxBytes: READ_BYTES,
        },
      ],
      ts,
    );
    return results[0];
  }

  async #save({ _id: id }: ExportDocument, progress: ExportProgress): Promise<void> {
    await this.#ports.bucket.put(progressKey(id), JSON.stringify(progress));
  }

  async #change({ _id: exportId }: ExportDocument, to: { readonly [key: string]: JsonValue }): Promise<void> {
    await this.#ports.run(CHANGE_EXPORT_OP, { exportId, to });
  }
}

type Step = { readonly kind: "documents" | "files"; readonly table: ExportTable };

function stepsOf(tables: readonly ExportTable[]): readonly Step[] {
  return [
    ...tables.map((table) => ({ kind: "documents" as const, table })),
    ...tables.filter(({ name }) => name === STORAGE_TABLE).map((table) => ({ kind: "files" as const, table })),
  ];
}

function writeEntry(zip: ZipWriter, name: string, text: string): void {
  zip.begin(name, { compressed: true });
  zip.write(new TextEncoder().encode(text));
  zip.end();
}

/** Numbers that ids of the tables have, per component. */
function writeTableLists(zip: ZipWriter, tables: readonly ExportTable[]): void {
  const lists = new Map<string, string>();
  for (const table of tables) {
    if (isSystemTable(table.name)) continue;
    const folder = folderOf({ ...table, name: "_tables" });
    lists.set(folder, `${lists.get(folder) ?? ""}${JSON.stringify({ name: table.name, id: table.number })}\n`);
  }
  for (const [folder, text] of lists) writeEntry(zip, `${folder}documents.jsonl`, text);
}

function describe({ document, key }: RangeRow): {
  readonly id: string;
  readonly contentType: string | null;
  readonly size: number;
} {
  const value: JsonValue = JSON.parse(document.json);
  if (!isJsonObject(value)) throw new Error(`document ${String(key satisfies IndexKey)} is no object`);
  const { _id: id, contentType, size } = value;
  if (typeof id !== "string" || typeof size !== "number") throw new Error(`document ${key} is not of a stored file`);
  return { id, contentType: typeof contentType === "string" ? contentType : null, size };
}
