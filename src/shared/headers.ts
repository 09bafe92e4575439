/** What `Headers` is made of. An object costs the platform a third of a list. */
export type HeaderList = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

/** `set-cookie` alone may come more than once, and `__proto__` is no ordinary name of an object. */
const LISTED: ReadonlySet<string> = new Set(["set-cookie", "__proto__"]);

export function headerList(headers: Iterable<[string, string]>): HeaderList {
  const pairs = [...headers];
  return pairs.some(([name]) => LISTED.has(name)) ? pairs : Object.fromEntries(pairs);
}

/** A copy that `Headers`, `Request` and `Response` take. */
export function headersInit(list: HeaderList): Record<string, string> | [string, string][] {
  return isPairs(list) ? list.map(([name, value]): [string, string] => [name, value]) : { ...list };
}

function isPairs(list: HeaderList): list is readonly (readonly [string, string])[] {
  return Array.isArray(list);
}
