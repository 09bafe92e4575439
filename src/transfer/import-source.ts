import type { JsonObject } from "../shared/json.ts";
import type { ImportDocument } from "./import-document.ts";
import { importError } from "./import-error.ts";
import { type ImportPlan, importPlan, type PlannedTable } from "./import-plan.ts";
import { listPieces, PieceReader, type RandomAccess } from "./pieces.ts";
import { rows } from "./rows.ts";
import { planKey, uploadFolder } from "./upload-folder.ts";
import { ZipReader } from "./zip-reader.ts";

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

  async *rows({ entry }: Pick<PlannedTable, "entry">): AsyncIterable<JsonObject> {
    if (entry === "") return;
    const { format } = this.#document;
    if (format === "zip") yield* rows("jsonLines", (await this.zip()).read(entry ?? ""));
    else yield* rows(format, (await this.#file()).read(0));
  }

  async zip(): Promise<ZipReader> {
    this.#zip ??= await ZipReader.open(await this.#file());
    return this.#zip;
  }

  async storePlan(plan: ImportPlan): Promise<void> {
    await this.#bucket.put(planKey(this.#document.upload), JSON.stringify(plan));
  }

  async loadPlan(): Promise<ImportPlan> {
    const object = await this.#bucket.get(planKey(this.#document.upload));
    if (object === null) throw importError("The uploaded file is not kept any more. Upload it again.");
    return importPlan.parse(await object.json());
  }

  async #file(): Promise<RandomAccess> {
    this.#bytes ??= new PieceReader(this.#bucket, await listPieces(this.#bucket, uploadFolder(this.#document.upload)));
    return this.#bytes;
  }
}
