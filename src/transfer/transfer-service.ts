import { z } from "zod";
import { must } from "../shared/assert.ts";
import { badRequest } from "../shared/coded-error.ts";
import { toHex } from "../shared/bytes.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import type { Random } from "../shared/random.ts";
import { checkTableName } from "../values/identifier.ts";
import { type ImportFormat, type ImportMode, importDocument } from "./import-document.ts";
import { importError } from "./import-error.ts";
import { exportDocument, exportFolder } from "./export-document.ts";
import { encodeInt64 } from "../values/special-value.ts";
import { CHANGE_IMPORT_OP, CREATE_EXPORT_OP, CREATE_IMPORT_OP } from "./operations.ts";
import { uploadFolder } from "./upload-folder.ts";
import { listPieces, pieceKey, PieceReader, streamOf } from "./pieces.ts";

export interface ImportRequest {
  readonly format: ImportFormat;
  readonly mode: ImportMode;
  readonly component: string;
  /** `null` for zip files, which name their tables. */
  readonly table: string | null;
}

export interface TransferServiceParts {
  readonly bucket: R2Bucket;
  readonly random: Random;
  /** Runs an operation of the Transactor. */
  readonly run: (op: string, args: JsonObject) => Promise<JsonValue>;
  /** Documents of the last exports. */
  readonly exports: () => Promise<readonly JsonObject[]>;
  /** Tells whoever imports and exports that there is work. */
  readonly start: () => Promise<void>;
}

const TOKEN = /^[0-9a-f]{32}$/;
const MAX_PARTS = 10_000;

/** What the routes of imports and exports do. The caller has been found to be an admin who may write. */
export class TransferService {
  readonly #parts: TransferServiceParts;

  constructor(parts: TransferServiceParts) {
    this.#parts = parts;
  }

  startUpload(): string {
    return toHex(this.#parts.random.bytes(16)).toLowerCase();
  }

  /** Stores a part of a file, from 1 on. The same part may be sent again. Returns its token. */
  async uploadPart(token: string, number: number, body: ReadableStream | Uint8Array): Promise<string> {
    checkToken(token);
    if (!Number.isInteger(number) || number < 1 || number >= MAX_PARTS) {
      throw badRequest("InvalidPartNumber", `Part numbers are integers from 1 to ${MAX_PARTS - 1}.`);
    }
    const stored = await this.#parts.bucket.put(pieceKey(uploadFolder(token), number), body);
    return must(stored, "the stored part").etag;
  }

  /** Returns the id of the import, which begins by itself. */
  async finishUpload(token: string, partTokens: readonly string[], request: ImportRequest): Promise<string> {
    checkToken(token);
    const { bucket, run, start } = this.#parts;
    const { table, format } = request;
    if ((table === null) !== (format === "zip")) throw importError("Zip files name their tables, others have one.");
    if (table !== null) checkTableName(table);
    const pieces = await listPieces(bucket, uploadFolder(token));
    const complete = pieces.length === partTokens.length && pieces.every(({ etag }, at) => etag === partTokens[at]);
    if (!complete)
      throw badRequest("IncompleteUpload", "Parts of the upload are missing or were sent again. Start over.");
    const importId = z.string().parse(await run(CREATE_IMPORT_OP, { ...request, upload: token }));
    await start();
    return importId;
  }

  async performImport(importId: string): Promise<void> {
    const to = { state: "in_progress", progress_message: "Importing", checkpoint_messages: [] };
    const change = { importId, from: ["waiting_for_confirmation"], to };
    const { state } = importDocument.parse(await this.#parts.run(CHANGE_IMPORT_OP, change));
    if (state.state === "uploaded") throw badRequest("ImportNotReady", "The import is not ready to be confirmed yet.");
    if (state.state === "failed") throw badRequest("ImportFailed", state.error_message);
    await this.#parts.start();
  }

  async cancelImport(importId: string): Promise<void> {
    const change = {
      importId,
      from: ["uploaded", "waiting_for_confirmation", "in_progress"],
      to: { state: "failed", error_message: "Import was canceled" },
      cancel: true,
    };
    const { state } = importDocument.parse(await this.#parts.run(CHANGE_IMPORT_OP, change));
    if (state.state !== "failed") {
      throw badRequest("ImportNotCancelable", "The import is complete, or about to be.");
    }
    await this.#parts.start();
  }

  async requestExport(includeStorage: boolean): Promise<void> {
    await this.#parts.run(CREATE_EXPORT_OP, { includeStorage });
    await this.#parts.start();
  }

  /** The zip file of the export that was taken at this timestamp, in nanoseconds. */
  async openExport(
    startTs: bigint,
  ): Promise<{ readonly size: number; readonly bytes: ReadableStream<Uint8Array> } | null> {
    const wanted = encodeInt64(startTs)["$integer"];
    const found = z
      .array(exportDocument)
      .parse(await this.#parts.exports())
      .find((document) => document.state === "completed" && document.start_ts.$integer === wanted);
    if (found === undefined) return null;
    const { bucket } = this.#parts;
    const reader = new PieceReader(bucket, await listPieces(bucket, exportFolder(found._id)));
    return { size: reader.size, bytes: streamOf(reader.read(0)) };
  }
}

function checkToken(token: string): void {
  if (!TOKEN.test(token)) throw badRequest("InvalidUploadToken", "The upload token is not one of this deployment.");
}
