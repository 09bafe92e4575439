import { badRequest } from "../shared/coded-error.ts";

const MAX_LENGTH = 64;

/** Why `text` can't name a function, table, index or declared field; `null` when it can (`abi.md` §1.7). */
export function identifierError(text: string): string | null {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(text) && !/^_+$/.test(text)) return null;
  const characters = Array.from(text);
  const first = characters[0];
  if (first === undefined) return "Identifier cannot be empty";
  if (!/[A-Za-z_]/.test(first)) {
    return `Invalid first character '${first}' in ${text}: Identifiers must start with an alphabetic character or underscore`;
  }
  const invalid = characters.find((character) => !/[A-Za-z0-9_]/.test(character));
  if (invalid !== undefined) {
    return `Identifier ${text} has invalid character '${invalid}': Identifiers can only contain alphanumeric characters or underscores`;
  }
  if (text.length > MAX_LENGTH) return `Identifier is too long (${text.length} > maximum ${MAX_LENGTH})`;
  return `Identifier ${text} cannot have exclusively underscores`;
}

export function checkIdentifier(text: string): void {
  const reason = identifierError(text);
  if (reason !== null) throw badRequest("InvalidIdentifier", reason);
}

/** A table of the developer's: an identifier without a leading underscore (E-F-9). */
export function checkTableName(name: string): void {
  if (identifierError(name) !== null) {
    throw badRequest(
      "InvalidTableName",
      `Invalid table name: "${name}". Identifiers must start with a letter and can only contain letters, digits, and underscores.`,
    );
  }
  if (name.startsWith("_")) throw badRequest("TableNameReserved", `${name} is a reserved table name.`);
}

/** Names that every table already has. */
const BUILT_IN_INDEXES: ReadonlySet<string> = new Set(["by_id", "by_creation_time"]);

export function checkIndexName(tableName: string, name: string): void {
  if (identifierError(name) !== null) {
    throw badRequest(
      "InvalidIndexName",
      `Invalid index name: "${name}". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.`,
    );
  }
  if (name.startsWith("_") || BUILT_IN_INDEXES.has(name)) {
    throw badRequest(
      "IndexNameReserved",
      `In table "${tableName}" cannot name an index "${name}" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".`,
    );
  }
}

/**
 * Path of a field inside a document, `"a.b"` → `["a", "b"]`, as in `q.field()` and index definitions. Dots at either
 * end are ignored; every part must be an identifier.
 */
export function parseFieldPath(path: string): readonly string[] {
  const trimmed = path.replace(/^\.+|\.+$/g, "");
  if (trimmed === "") throw badRequest("InvalidFieldPath", `Empty path ${path}`);
  const parts = trimmed.split(".");
  for (const part of parts) checkIdentifier(part);
  return parts;
}
