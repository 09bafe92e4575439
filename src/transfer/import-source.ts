import type { JsonObject } from "../shared/json.ts";
import { STORAGE_TABLE } from "../engine/tables.ts";
import type { ImportDocument } from "./import-document.ts";
import { importError } from "./import-error.ts";
import { type ImportPlan, importPlan, type PlannedTable } from "./import-plan.ts";
import { listPieces, PieceReader, type RandomAccess } from "./pieces.ts";
import { rows } from "./rows.ts";
import { planKey, uploadFolder } from "./upload-folder.ts";
import { ZipReader } from "./zip-reader.ts";

/** What is kept of the document of a stored file. */
function storedFile({ _id, _creationTime, sha256, size, contentType }: JsonObject): JsonObject {
  if (typeof _id !== "string" || typeof sha256 !== "string" || typeof size !== "number") {
    throw importError(`Documents of _storage need _id, sha256 and size: ${JSON.stringify({ _id, sha256, size })}`);
  }
  return {
    _id,
    ...(_creationTime === undefined ? {} : { _creationTime }),
    sha256,
    size,
    contentType: contentType ?? null,
  };
}

/** The uploaded file of an import and what was found out about it. */
export class ImportSource {
  readonly #bucket: R2Bucket;
  readonly #document: Pick<ImportDocument, "upload" | "format">;
  #bytes: RandomAccess | null = null;
  #zip: ZipReader | null = null;

  constructor(bucket: R2Bucket, document: Pick<ImportDocument, "upload" | "format">) {
    this.#bucket = bucket;
    this.#document = document;
  }

  async *rows({ entry, table }: Pick<PlannedTable, "entry" | "table">): AsyncIterable<JsonObject> {
    if (entry === "") return;
    const { format } = this.#document;
    if (format !== "zip") yield* rows(format, (await this.#file()).read(0));
    else {
      const found = rows("jsonLines", (await this.zip()).read(entry ?? ""));
      if (table === STORAGE_TABLE) for await (const row of found) yield storedFile(row);
      else yield* found;
    }
  }

  async zip(): Promise<ZipReader> {
    this.#zip ??= await ZipReader.open(await this.#file());
    return this.#zip;
  }

  async storePlan(plan: ImportPlan): Promise<void> {
    await this.#bucket.put(planKey(this.#document.upload), JSON.stringify(plan));
  }

  async loadPlan(): Promise<ImportPlan> {
    const plan = await this.findPlan();
    if (plan === null) throw importError("The uploaded file is not kept any more. Upload it again.");
    return plan;
  }

  async findPlan(): Promise<ImportPlan | null> {
    const object = await this.#bucket.get(planKey(this.#document.upload));
    return object === null ? null : importPlan.parse(await object.json());
  }

  async #file(): Promise<RandomAccess> {
    this.#bytes ??= new PieceReader(this.#bucket, await listPieces(this.#bucket, uploadFolder(this.#document.upload)));
    return this.#bytes;
  }
}
