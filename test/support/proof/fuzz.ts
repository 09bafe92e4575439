import type { SeededRandom } from "../seeded-random.ts";

/** JSON text, which may be anything: `JSON.stringify` could not write numbers out of range or lone surrogates. */
export class Fuzzer {
  readonly #random: SeededRandom;
  /** Texts that mean something to the deployment: ids, cursors, names. */
  readonly #known: string[];

  constructor(random: SeededRandom, known: readonly string[]) {
    this.#random = random;
    this.#known = [...known];
  }

  learn(text: string): void {
    if (this.#known.length < 200) this.#known.push(text);
  }

  /** A string, damaged now and then. */
  text(): string {
    const random = this.#random;
    const text = random.chance(0.6) ? random.pick(this.#known) : random.pick(ODD_TEXTS);
    return random.chance(0.3) ? this.damage(text) : text;
  }

  damage(text: string): string {
    const random = this.#random;
    const at = random.below(text.length + 1);
    switch (random.below(5)) {
      case 0:
        return text.slice(0, at);
      case 1:
        return text.slice(0, at) + random.pick(ODD_TEXTS) + text.slice(at);
      case 2:
        return text.slice(0, at) + text.slice(at + 1 + random.below(8));
      case 3:
        return text.slice(0, at) + String.fromCharCode(32 + random.below(95)) + text.slice(at + 1);
      default:
        return text + text.slice(at, at + 50);
    }
  }

  /** JSON text of any value. */
  json(depth = 0): string {
    const random = this.#random;
    const kind = random.below(depth > 4 ? 5 : 10);
    if (kind < 2) return JSON.stringify(this.text());
    if (kind < 4) return random.pick(ODD_JSON);
    if (kind === 4) return `{"${random.pick(SPECIAL_KEYS)}":${this.json(5)}}`;
    if (kind < 7) return `[${this.#several(() => this.json(depth + 1)).join()}]`;
    return `{${this.#several(() => `${JSON.stringify(this.#key())}:${this.json(depth + 1)}`).join()}}`;
  }

  /** The text of a JSON value with one thing changed somewhere inside, now and then as text. */
  mutate(value: unknown): string {
    const random = this.#random;
    if (random.chance(0.1)) return this.#damageEnds(JSON.stringify(value));
    const marker = `"fuzz ${random.below(2 ** 32)}"`;
    const changed = JSON.stringify(this.#replaceSomewhere(value, JSON.parse(marker)));
    return changed.replace(marker, () => this.json());
  }

  #damageEnds(text: string): string {
    const start = text.slice(0, 200);
    return this.#random.chance(0.5)
      ? this.damage(start) + text.slice(start.length)
      : text.slice(0, this.#random.below(text.length));
  }

  #replaceSomewhere(value: unknown, marker: unknown): unknown {
    const random = this.#random;
    // Code is replaced: damaged at random it might well loop for ever or eat all memory.
    if (typeof value === "string" && value.length > CODE_LENGTH) return random.pick(ODD_CODE);
    if (typeof value === "string" && value.length > 0 && random.chance(0.5)) return this.damage(value);
    if (typeof value !== "object" || value === null || random.chance(0.1)) return marker;
    if (Array.isArray(value)) {
      if (value.length === 0) return [marker];
      const at = random.below(value.length);
      if (random.chance(0.15)) return value.toSpliced(at, 1);
      if (random.chance(0.15)) return [...value, value[at]];
      return value.map((element: unknown, i) => (i === at ? this.#replaceSomewhere(element, marker) : element));
    }
    const entries: [string, unknown][] = Object.entries(value);
    if (entries.length === 0) return { [this.#key()]: marker };
    const at = random.below(entries.length);
    if (random.chance(0.15)) return Object.fromEntries(entries.toSpliced(at, 1));
    if (random.chance(0.1)) return { ...value, [this.#key()]: marker };
    return Object.fromEntries(
      entries.map(([key, field], i) => [key, i === at ? this.#replaceSomewhere(field, marker) : field]),
    );
  }

  #key(): string {
    const random = this.#random;
    return random.chance(0.3)
      ? random.pick(SPECIAL_KEYS)
      : random.pick(["a", "path", "args", "client", "n", this.text()]);
  }

  #several<T>(make: () => T): T[] {
    return Array.from({ length: this.#random.below(4) }, make);
  }
}

const CODE_LENGTH = 300;

const ODD_CODE = [
  "",
  "}",
  "export default",
  "throw new Error('at import')",
  "throw null",
  "await Promise.reject(new Error('later'))",
  "await new Promise(() => {})",
  "import './missing.js'",
  "import { nothing } from 'node:fs'",
  "export default 5",
  "export default { export: () => 'no JSON', isQuery: true }",
  "export default { export: () => { throw new Error('in export') } }",
  "export const f = { isQuery: true, isPublic: true, exportArgs: () => '{', invokeQuery: 1 }",
  'export const f = Object.assign(() => {}, { isMutation: true, exportArgs: () => \'{"type":"nothing"}\' })',
  "export const __proto__ = 1; export { __proto__ as constructor }",
  "globalThis.Convex = null; delete globalThis.Object",
  "Object.prototype.toJSON = () => { throw 1 }",
  "Array.prototype.map = null; JSON.stringify = null",
  "Convex.syscall('1.0/queryStream', '{}')",
  "fetch('http://127.0.0.1:1')",
  "process.exit(1)",
  "/(?<a>x)(?<a>y)/",
  "new WebAssembly.Module(new Uint8Array(4))",
  "const \ud800 = 1",
  "\u2028\u2029",
  "x".repeat(1000),
];

const SPECIAL_KEYS = [
  "$integer",
  "$float",
  "$bytes",
  "$undefined",
  "$set",
  "$map",
  "$commitTs",
  "$",
  "",
  "_id",
  "_creationTime",
  "__proto__",
  "constructor",
  "toString",
  "numItems",
  "cursor",
  "endCursor",
  "maximumRowsRead",
  "id",
  "fields",
];

const ODD_TEXTS = [
  "",
  " ",
  "null",
  "__proto__",
  "constructor",
  "a:b:c",
  "../../etc/passwd",
  "_system/x:y",
  "messages",
  "work:record",
  "%00%zz%",
  "\u0000",
  "\ud800",
  "😀".repeat(50),
  "x".repeat(5000),
  "AAAAAAAAAIA=",
  "////",
  "-1",
  "1e309",
  "NaN",
  "true",
  '{"a":1}',
];

const ODD_JSON = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "1",
  "-1",
  "0.1",
  "1e400",
  "-1e400",
  "1e308",
  "5e-324",
  "9007199254740993",
  "18446744073709551616",
  '""',
  '"\\ud800"',
  '"\\u0000"',
  "[]",
  "{}",
  "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
  '{"$integer":"AQAAAAAAAAA="}',
  '{"$integer":"////"}',
  '{"$float":"AAAAAAAA+H8="}',
  '{"$float":1}',
  '{"$bytes":"aGk="}',
  '{"$bytes":"*"}',
  '{"$undefined":null}',
  `[${Array.from({ length: 100 }, (_, i) => i).join()}]`,
];
