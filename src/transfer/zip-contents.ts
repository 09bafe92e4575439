import type { ZipReader } from "./zip-reader.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { importError } from "./import-error.ts";

export interface ZipContents {
  readonly tables: readonly { readonly component: string; readonly table: string; readonly entry: string }[];
  /** Stored files: the id of the document, and the entry with the bytes. */
  readonly files: readonly { readonly component: string; readonly id: string; readonly entry: string }[];
}

const COMPONENT = /^_components\/([^/]+)\//;
const DOCUMENTS = /^([^/]+)\/documents\.jsonl$/;
const FILE = /^_storage\/([^/.]+)(?:\.[^/]*)?$/;

/** What an export holds: a folder for each table, those of components below `_components/<name>/`. */
export function zipContents(zip: ZipReader, root: string, components: readonly string[]): ZipContents {
  const tables: { component: string; table: string; entry: string }[] = [];
  const files: { component: string; id: string; entry: string }[] = [];
  const prefix = commonFolder(zip.names);
  for (const entry of zip.names) {
    let component = root;
    let path = entry.slice(prefix.length);
    for (let match = COMPONENT.exec(path); match !== null; match = COMPONENT.exec(path)) {
      component = component === "" ? (match[1] ?? "") : `${component}/${match[1]}`;
      path = path.slice(match[0].length);
    }
    const table = DOCUMENTS.exec(path)?.[1];
    const id = FILE.exec(path)?.[1];
    const isTable = table !== undefined && (!table.startsWith("_") || table === "_storage");
    // Whatever else is there is no file of an app.
    const isFile = id !== undefined && table === undefined && tryDecodeDocumentId(id) !== null;
    if (!isTable && !isFile) continue;
    if (component !== "" && !components.includes(component)) {
      throw importError(`The file has data of the component "${component}", which the deployment does not have.`);
    }
    if (isTable) tables.push({ component, table, entry });
    else if (id !== undefined) files.push({ component, id, entry });
  }
  if (tables.length === 0)
    throw importError("The ZIP file holds no table: there is no `<table>/documents.jsonl` in it.");
  return { tables, files };
}

/** A zip made of a folder has that folder in every name. */
function commonFolder(names: readonly string[]): string {
  const [first = ""] = names;
  const folder = /^[^/]+\//.exec(first)?.[0] ?? "";
  const isTop = names.some((name) => /^[^/]+\/documents\.jsonl$/.test(name) || name.startsWith("_components/"));
  return folder !== "" && !isTop && names.every((name) => name.startsWith(folder)) ? folder : "";
}
