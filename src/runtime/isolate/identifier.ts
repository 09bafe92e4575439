const LIMIT = 64;

/** Why `text` can't name a table, field or function; undefined when it can (`abi.md` §1.7). */
export function identifierError(text: string): string | undefined {
  const first = text[0];
  if (first === undefined) return "Identifier cannot be empty";
  if (!/^[A-Za-z_]$/.test(first)) {
    return `Invalid first character '${first}' in ${text}: Identifiers must start with an alphabetic character or underscore`;
  }
  const bad = /[^A-Za-z0-9_]/u.exec(text)?.[0];
  if (bad !== undefined) {
    return `Identifier ${text} has invalid character '${bad}': Identifiers can only contain alphanumeric characters or underscores`;
  }
  if (text.length > LIMIT) return `Identifier is too long (${text.length} > maximum ${LIMIT})`;
  if (/^_+$/.test(text)) return `Identifier ${text} cannot have exclusively underscores`;
  return undefined;
}
