import { Catalog } from "../engine/catalog.ts";
import type { FileRef } from "../engine/file-store.ts";
import type { InternalId } from "../engine/names.ts";
import type { StoredDocument } from "../engine/persistence.ts";
import { DELETED_FILES_TABLE } from "../engine/stored-files.ts";
import { STORAGE_TABLE } from "../engine/tables.ts";
import { FORGET_FILES_OP } from "../runtime/files/operations.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { importError } from "./import-error.ts";
import type { ImportPlan } from "./import-plan.ts";
import type { ImportSource } from "./import-source.ts";
import type { TransferPorts } from "./ports.ts";

type Ports = Pick<TransferPorts, "files" | "persistence" | "run">;
type PlannedFile = ImportPlan["files"][number];

/** What the document of a file says of its bytes. */
interface Described {
  readonly sha256: string | null;
  readonly size: number | null;
}

/**
 * The files of a zip. Their bytes are stored under the ids of their documents, which come later: until then they are
 * nobody's. Storing one again changes nothing.
 */
export class ImportedFiles {
  readonly #source: ImportSource;
  readonly #ports: Ports;
  readonly #described: ReadonlyMap<string, Described>;

  private constructor(source: ImportSource, ports: Ports, described: ReadonlyMap<string, Described>) {
    this.#source = source;
    this.#ports = ports;
    this.#described = described;
  }

  /** Checks that every document of a file has its bytes in the zip. */
  static async open(plan: ImportPlan, source: ImportSource, ports: Ports): Promise<ImportedFiles> {
    const described = new Map<string, Described>();
    const present = new Set(plan.files.map(fileName));
    for (const planned of plan.tables) {
      if (planned.table !== STORAGE_TABLE) continue;
      for await (const row of source.rows(planned)) {
        const { _id: id } = row;
        const name = fileName({ component: planned.component, id: typeof id === "string" ? id : "" });
        if (!present.has(name)) throw bytesMissing(name);
        described.set(name, describe(row));
      }
    }
    return new ImportedFiles(source, ports, described);
  }

  /** A few at a time. */
  async store(files: readonly PlannedFile[]): Promise<void> {
    const { files: store, run } = this.#ports;
    // Bytes without a document are no file.
    const known = files.flatMap((file) => {
      const described = this.#described.get(fileName(file));
      return described === undefined ? [] : [{ file, described, ref: refOf(file) }];
    });
    const documents = await this.#documents(known.map(({ ref }) => ref));
    for (const [at, { file, described, ref }] of known.entries()) {
      const present = documents[at] ?? null;
      if (present !== null) {
        checkSame(file, described, JSON.parse(present.json));
        continue;
      }
      // Deleted here before: its bytes are not to be swept away any more.
      await run(FORGET_FILES_OP, { component: ref.component, ids: [ref.id] });
      const bytes = (await this.#source.zip()).read(file.entry);
      await store.put(ref, { bytes, ...described });
    }
  }

  /** Of those that are files here. */
  async #documents(refs: readonly FileRef[]): Promise<readonly (StoredDocument | null)[]> {
    return await documentsIn(STORAGE_TABLE, refs, this.#ports);
  }
}

/** Removes the bytes that an import has stored and that no file has. */
export async function discardFiles(
  plan: ImportPlan,
  ports: Pick<TransferPorts, "files" | "persistence">,
): Promise<void> {
  for (let start = 0; start < plan.files.length; start += FILES_PER_READ) {
    const refs = plan.files.slice(start, start + FILES_PER_READ).map(refOf);
    const [live, deleted] = [
      await documentsIn(STORAGE_TABLE, refs, ports),
      await documentsIn(DELETED_FILES_TABLE, refs, ports),
    ];
    await ports.files.delete(refs.filter((_, at) => live[at] === null && deleted[at] === null));
  }
}

const FILES_PER_READ = 50;

async function documentsIn(
  name: string,
  refs: readonly FileRef[],
  { persistence }: Pick<TransferPorts, "persistence">,
): Promise<readonly (StoredDocument | null)[]> {
  const catalog = new Catalog(await persistence.loadCatalog());
  const found: (StoredDocument | null)[] = [];
  for (const { component, id } of refs) {
    const table = catalog.table(component, name);
    if (table === undefined) {
      found.push(null);
      continue;
    }
    const { results } = await persistence.read([{ kind: "get", tableId: table.id, id }], "latest");
    found.push(results[0]);
  }
  return found;
}

export function refOf({ component, id }: Pick<PlannedFile, "component" | "id">): FileRef {
  const decoded = tryDecodeDocumentId(id);
  if (decoded === null) throw importError(`${id} is not an ID of a stored file.`);
  return { component, id: decoded.internalId as InternalId }; // Hex of 16 bytes.
}

function fileName({ component, id }: Pick<PlannedFile, "component" | "id">): string {
  return component === "" ? id : `${component}/${id}`;
}

function describe({ sha256, size }: JsonObject): Described {
  return { sha256: typeof sha256 === "string" ? sha256 : null, size: typeof size === "number" ? size : null };
}

/** A file never changes, so one that is here already is left alone. */
function checkSame({ id }: PlannedFile, { sha256, size }: Described, document: JsonValue): void {
  const present = isJsonObject(document) ? describe(document) : null;
  const same = (a: unknown, b: unknown) => a === null || a === b;
  if (present !== null && same(sha256, present.sha256) && same(size, present.size)) return;
  throw importError(`The deployment has a stored file with the ID ${id} and other contents.`);
}

function bytesMissing(name: string): Error {
  return importError(
    `The ZIP file does not hold the bytes of the stored file ${name}. Export with \`--include-file-storage\`.`,
  );
}
