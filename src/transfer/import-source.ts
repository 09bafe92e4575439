import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { fromCleanValue, mentionsSpecialValues } from "./clean-values.ts";
import type { TransferPorts } from "./ports.ts";
import { STORAGE_TABLE } from "../engine/tables.ts";
import type { ImportDocument } from "./import-document.ts";
import { importError } from "./import-error.ts";
import { type ImportPlan, importPlan, type PlannedTable } from "./import-plan.ts";
import { gather, listPieces, PieceReader, type RandomAccess } from "./pieces.ts";
import { rows } from "./rows.ts";
import { planKey, uploadFolder } from "./upload-folder.ts";
import { ZipReader } from "./zip-reader.ts";

function cleanDocument(row: JsonObject, validator: JsonValue): JsonObject {
  const { _id, _creationTime, ...fields } = row;
  const converted = fromCleanValue(fields, validator);
  return isJsonObject(converted)
    ? {
        ...(_id === undefined ? {} : { _id }),
        ...(_creationTime === undefined ? {} : { _creationTime }),
        ...converted,
      }
    : row;
}

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
  readonly #documentType: TransferPorts["documentType"];
  readonly #document: Pick<ImportDocument, "upload" | "format">;
  #bytes: RandomAccess | null = null;
  #zip: ZipReader | null = null;

  constructor(
    { bucket, documentType }: Pick<TransferPorts, "bucket" | "documentType">,
    document: Pick<ImportDocument, "upload" | "format">,
  ) {
    this.#bucket = bucket;
    this.#documentType = documentType;
    this.#document = document;
  }

  async *rows({
    entry,
    table,
    component,
  }: Pick<PlannedTable, "entry" | "table" | "component">): AsyncIterable<JsonObject> {
    if (entry === "") return;
    const { format } = this.#document;
    if (format !== "zip") yield* rows(format, (await this.#file()).read(0));
    else {
      const found = rows("jsonLines", (await this.zip()).read(entry ?? ""));
      const validator = table === STORAGE_TABLE ? null : await this.#cleanType(entry ?? "", component, table);
      if (table === STORAGE_TABLE) for await (const row of found) yield storedFile(row);
      else if (validator === null) yield* found;
      else for await (const row of found) yield cleanDocument(row, validator);
    }
  }

  /** What tells strings that stand for other values from strings; `null`: there are none. */
  async #cleanType(entry: string, component: string, table: string): Promise<JsonValue | null> {
    const name = entry.replace(/documents\.jsonl$/, "generated_schema.jsonl");
    const zip = await this.zip();
    if (!zip.names.includes(name)) return null;
    const text = new TextDecoder().decode(await gather(zip.read(name)));
    if (!mentionsSpecialValues(text)) return null;
    const validator = await this.#documentType(component, table);
    if (validator !== null) return validator;
    throw importError(
      `Table "${table}" holds int64, bytes or special numbers, which the file has as strings. Push a schema that declares ` +
        "the table first: it tells them apart.",
    );
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
