/** The place of a frame: `dir/mail.js:3:14`, or wherever the package was unpacked, `file:///cache/dir/mail.js?x=1:3:14`. */
const PLACE = /([^\s()?]+)(?:\?[^()\s]*?)?:(\d+):(\d+)(?=\)?$)/gm;

/** The stack of a Node module with its files named by the keys that source maps are found by. */
export function moduleKeysInStack(
  stack: string,
  modules: readonly { readonly key: string; readonly path: string }[],
): string {
  const keys = new Map(modules.map(({ path, key }) => [path, key]));
  return stack.replace(PLACE, (whole, file: string, line: string, column: string) => {
    const key = longestSuffix(file, keys);
    return key === undefined ? whole : `${key}:${line}:${column}`;
  });
}

function longestSuffix(file: string, keys: ReadonlyMap<string, string>): string | undefined {
  const parts = file.split("/");
  for (let start = 0; start < parts.length; start++) {
    const key = keys.get(parts.slice(start).join("/"));
    if (key !== undefined) return key;
  }
  return undefined;
}
