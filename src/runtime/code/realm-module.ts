import { parse, type Program } from "acorn";
import { analyze, type Reference, type Scope } from "eslint-scope";
import type { Program as EsProgram } from "estree";
import type { ModuleSharing } from "../isolate/shared-modules.ts";
import { moduleSharing } from "./module-sharing.ts";
import { isTree, nameOf, type Tree, tree, trees } from "./syntax-tree.ts";
import { wasmLiteral } from "./wasm-literals.ts";

/**
 * Every call evaluates the modules of its app afresh (`abi.md` §5.2): module state never passes from one call to the
 * next. Only those of which `module-sharing.ts` proves that they have none that changes are evaluated once. The platform evaluates a module once per isolate, so a module is rewritten into a generator: up to its
 * `yield` it is linked, after it it is evaluated. `isolate/realm.ts` drives one set of them per call.
 *
 * Imports become properties of namespace objects, read at each use, and exports become getters: live bindings,
 * hoisting and cycles work as in ECMAScript. Lines stay where they are; `originalColumn` undoes the shift within one.
 */
export interface RealmModule {
  readonly code: string;
  readonly edits: readonly Edit[];
}

/** `end` and `text` hold as many line breaks as each other. Offsets in the source; sorted, not overlapping. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Part of the key under which rewritten bundles are stored: changes with everything below. */
export const REALM_FORMAT = 4;

/** `key` is the module's in the isolate's table, `"app/dir/messages.js"`. Throws `SyntaxError`. */
export function realmModule(key: string, source: string): RealmModule {
  const program = parse(source, { ecmaVersion: "latest", sourceType: "module", allowHashBang: true, ranges: true });
  const rewriting = new Rewriting(key, source);
  if (!rewriting.module(program)) return { code: TOP_LEVEL_AWAIT, edits: [] };
  const edits = rewriting.edits();
  return { code: apply(source, edits), edits };
}

/** What an edit did to a line it begins in: columns of the source it took away and columns that stand there instead. */
export type LineEdit = readonly [line: number, column: number, taken: number, put: number];

/** Sorted, lines from 1 and columns from 0. */
export function lineEdits(source: string, edits: readonly Edit[]): LineEdit[] {
  const result: LineEdit[] = [];
  let line = 1;
  let begin = 0;
  for (const { start, end, text } of edits) {
    for (let at = source.indexOf("\n", begin); at !== -1 && at < start; at = source.indexOf("\n", begin)) {
      line++;
      begin = at + 1;
    }
    result.push([line, start - begin, end - start, text.length - (text.lastIndexOf("\n") + 1)]);
  }
  return result;
}

/** Column in the source of a position in the rewritten module, both from 0. The line is the same. */
export function originalColumn(edits: readonly LineEdit[], line: number, column: number): number {
  let shift = 0;
  for (const [edited, from, taken, put] of edits) {
    if (edited < line) continue;
    const at = from + shift;
    if (edited > line || column < at) break;
    if (column < at + put) return from;
    shift += put - taken;
  }
  return Math.max(0, column - shift);
}

function apply(source: string, edits: readonly Edit[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end, text } of edits) {
    parts.push(source.slice(at, start), text);
    at = end;
  }
  return parts.join("") + source.slice(at) + "\n}";
}

/** Convex has none (`abi.md` §5.2): the module can be imported by nobody. In the platform's words for it. */
const TOP_LEVEL_AWAIT =
  "export const shared=false,external=[],sharing=null,wasm=()=>[];" +
  'export default function*(){throw new Error("Top-level await in module is unsettled.")}';

const FUNCTIONS: ReadonlySet<string> = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

class Rewriting {
  readonly #key: string;
  readonly #source: string;
  /** A name that the source does not hold. */
  readonly #realm: string;
  readonly #edits: Edit[] = [];
  /** Specifier → name of its namespace. */
  readonly #imports = new Map<string, string>();
  /** Name of a local import → expression that reads it. */
  readonly #bindings = new Map<string, string>();
  readonly #exports: (readonly [name: string, expression: string])[] = [];
  readonly #stars: string[] = [];
  readonly #shorthands = new Set<unknown>();
  readonly #callees = new Set<unknown>();
  /** Where statements begin that a line without a semicolon may precede. */
  readonly #statements = new Set<number>();
  /** Identifiers that go away with their statement. */
  readonly #removed = new Set<unknown>();
  readonly #wasm = new Set<string>();
  /** Where `Function` is named and nothing is made. */
  readonly #harmless = new Set<unknown>();
  #awaits = false;

  constructor(key: string, source: string) {
    this.#key = key;
    this.#source = source;
    let name = "$realm";
    while (source.includes(name)) name = `$${name}`;
    this.#realm = name;
  }

  edits(): readonly Edit[] {
    return this.#edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
  }

  /** False when the module can't be evaluated by a function that returns. */
  module(program: Program): boolean {
    this.#visit(tree(program), false);
    if (this.#awaits) return false;
    // `eval` in a module could read any name of it, and then none would be resolved. Code from strings runs nowhere but
    // at start, and bundled names mean nothing to it.
    const scopes = analyze(program as EsProgram, {
      ecmaVersion: 2022,
      sourceType: "module",
      fallback: "iteration",
      ignoreEval: true,
    });
    const top = scopes.globalScope?.childScopes.find(({ type }) => type === "module");
    if (top === undefined) throw new Error("a module has a scope");
    for (const statement of program.body) this.#topLevel(tree(statement));
    for (const variable of top.variables) {
      const expression = variable.defs[0]?.type === "ImportBinding" ? this.#bindings.get(variable.name) : undefined;
      if (expression !== undefined) for (const use of variable.references) this.#reference(use, expression);
    }
    const isPackage = isStateless(this.#source);
    this.#prefix(needsStart(top, this.#harmless) || isPackage, this.#sharing(program, top, isPackage));
    return true;
  }

  /** What has to be known of a node when a reference below it is rewritten, and the expressions only modules have. */
  #visit(node: Tree, insideFunction: boolean): void {
    const wasm = wasmLiteral(node);
    if (wasm !== undefined) this.#wasm.add(wasm);
    switch (node.type) {
      case "AwaitExpression":
        this.#awaits ||= !insideFunction;
        break;
      case "ForOfStatement":
        this.#awaits ||= node["await"] === true && !insideFunction;
        break;
      case "Property":
        if (node["shorthand"] === true) this.#shorthands.add(node["value"]);
        break;
      case "CallExpression":
        this.#callees.add(node["callee"]);
        if (asksForGlobal(node)) this.#harmless.add(node["callee"]);
        break;
      case "MemberExpression":
        if (node["computed"] !== true) this.#harmless.add(node["object"]);
        break;
      case "BinaryExpression":
        this.#harmless.add(node["left"]).add(node["right"]);
        break;
      case "UnaryExpression":
        this.#harmless.add(node["argument"]);
        break;
      case "ClassDeclaration":
      case "ClassExpression":
        this.#harmless.add(node["superClass"]);
        break;
      case "TaggedTemplateExpression":
        this.#callees.add(node["tag"]);
        break;
      case "ImportExpression":
        this.#replace(node.start, node.start + "import".length, `${this.#realm}.load`);
        break;
      case "MetaProperty":
        if (isTree(node["meta"]) && node["meta"]["name"] === "import") {
          this.#replace(node.start, node.end, `${this.#realm}.meta`);
        }
        break;
      default:
    }
    const list = node.type === "SwitchCase" ? node["consequent"] : node["body"];
    for (const statement of Array.isArray(list) ? list : []) {
      if (isTree(statement) && statement.type === "ExpressionStatement") this.#statements.add(statement.start);
    }
    const inside = insideFunction || FUNCTIONS.has(node.type);
    for (const child of Object.values(node)) {
      for (const item of Array.isArray(child) ? child : [child]) if (isTree(item)) this.#visit(item, inside);
    }
  }

  #topLevel(node: Tree): void {
    switch (node.type) {
      case "ImportDeclaration": {
        const from = this.#from(node);
        for (const specifier of trees(node["specifiers"])) {
          const read = specifier.type === "ImportNamespaceSpecifier" ? from : member(from, importedName(specifier));
          this.#bindings.set(nameOf(specifier["local"]), read);
        }
        this.#remove(node.start, node.end);
        return;
      }
      case "ExportAllDeclaration": {
        const from = this.#from(node);
        if (isTree(node["exported"])) this.#exports.push([nameOf(node["exported"]), from]);
        else this.#stars.push(from);
        this.#remove(node.start, node.end);
        return;
      }
      case "ExportNamedDeclaration":
        this.#exportNamed(node);
        return;
      case "ExportDefaultDeclaration":
        this.#exportDefault(node);
        return;
      default:
    }
  }

  #exportNamed(node: Tree): void {
    const { declaration, source } = node;
    if (isTree(declaration)) {
      this.#replace(node.start, declaration.start, "");
      for (const name of declaredNames(declaration)) this.#exports.push([name, name]);
      return;
    }
    const from = isTree(source) ? this.#from(node) : null;
    for (const specifier of trees(node["specifiers"])) {
      const local = nameOf(specifier["local"]);
      this.#removed.add(specifier["local"]);
      // Imports may stand below: resolved when the prefix is written.
      this.#exports.push([nameOf(specifier["exported"]), from === null ? local : member(from, local)]);
    }
    this.#remove(node.start, node.end);
  }

  #exportDefault(node: Tree): void {
    const { declaration } = node;
    if (!isTree(declaration)) return;
    const isDeclaration = declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration";
    if (isDeclaration && isTree(declaration["id"])) {
      this.#replace(node.start, declaration.start, "");
      this.#exports.push(["default", nameOf(declaration["id"])]);
      return;
    }
    const local = `${this.#realm}Default`;
    // An anonymous function or class is called "default".
    this.#replace(node.start, declaration.start, `const {default:${local}}={default:`);
    this.#replace(declaration.end, node.end, "};");
    this.#exports.push(["default", local]);
  }

  #reference(reference: Reference, expression: string): void {
    const identifier = tree(reference.identifier);
    if (this.#removed.has(identifier)) return;
    const { start, end } = identifier;
    if (this.#shorthands.has(identifier)) {
      this.#replace(start, end, `${this.#source.slice(start, end)}:${expression}`);
    } else if (this.#callees.has(identifier) && /[.[]/.test(expression)) {
      // Called without a receiver, as the import would be.
      this.#replace(start, end, `${this.#statements.has(start) ? ";" : ""}(0,${expression})`);
    } else {
      this.#replace(start, end, expression);
    }
  }

  #sharing(program: Program, top: Scope, isPackage: boolean): ModuleSharing {
    if (isPackage) return { package: true, stateless: false, imports: [], calls: [], uses: [], primitives: [] };
    const keyOf = (specifier: string): string | null => (isRelative(specifier) ? resolve(this.#key, specifier) : null);
    return { package: false, ...moduleSharing(program, top, keyOf) };
  }

  #prefix(shared: boolean, sharing: ModuleSharing): void {
    const realm = this.#realm;
    const getters = this.#exports.map(([name, expression]) => {
      return `get ${JSON.stringify(name)}(){return ${this.#bindings.get(expression) ?? expression}}`;
    });
    const imports = [...this.#imports].map(([specifier, name]) => {
      return `const ${name}=${realm}.import(${JSON.stringify(resolve(this.#key, specifier))});`;
    });
    const stars = this.#stars.map((from) => `${realm}.star(${from});`);
    const external = [...this.#imports.keys()].filter((specifier) => !isRelative(specifier));
    const text =
      `export const wasm=()=>${JSON.stringify([...this.#wasm])};` +
      `export const shared=${String(shared)},external=${JSON.stringify(external)},sharing=${JSON.stringify(sharing)};` +
      `export default function*(${realm}){${realm}.exports({__proto__:null${getters.map((g) => `,${g}`).join("")}});` +
      imports.join("") +
      stars.join("") +
      "yield;";
    const hashBang = this.#source.startsWith("#!") ? this.#source.search(/\n|$/) : 0;
    this.#edits.unshift({ start: 0, end: hashBang, text });
  }

  #from(node: Tree): string {
    const specifier = isTree(node["source"]) ? String(node["source"]["value"]) : "";
    let name = this.#imports.get(specifier);
    if (name === undefined) this.#imports.set(specifier, (name = `${this.#realm}${this.#imports.size}`));
    return name;
  }

  #remove(start: number, end: number): void {
    this.#replace(start, end, this.#source.slice(start, end).replace(/[^\n]+/g, ""));
  }

  #replace(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text });
  }
}

/**
 * WebAssembly from bytes and code from strings may be made while the isolate starts and never again: a module that
 * needs it at import is evaluated once for all calls, and so is what it imports.
 */
function needsStart(top: Scope, harmless: ReadonlySet<unknown>): boolean {
  return top.through.some(({ identifier, from }) => {
    const { name } = identifier;
    if (name === "WebAssembly") return true;
    if (from.variableScope !== top) return false;
    return name === "eval" || (name === "Function" && !harmless.has(identifier));
  });
}

/** `Function("return this")`, which `isolate/function-constructor.ts` answers at any time. */
function asksForGlobal(call: Tree): boolean {
  const [argument, ...more] = trees(call["arguments"]);
  return more.length === 0 && argument?.type === "Literal" && /^return this;?$/.test(String(argument["value"]));
}

/** What the bundler writes in a line of its own above the code of each file. */
const FILE = /^\/\/ (\S+\.[cm]?[jt]sx?)$/gm;
const STATELESS = /(^|\/)(node_modules\/convex\/|_generated\/(api|server)\.)/;

/** The npm package `convex` and generated code keep nothing of a call, and evaluating them is most of a small call. */
function isStateless(source: string): boolean {
  const files = [...source.matchAll(FILE)];
  return files.length > 0 && files.every(([, file = ""]) => STATELESS.test(file));
}

/** Keys of modules beside this one; everything else is left to the platform. */
export function resolve(key: string, specifier: string): string {
  return isRelative(specifier) ? new URL(specifier, `file:///${key}`).pathname.slice(1) : specifier;
}

function isRelative(specifier: string): boolean {
  return /^\.{0,2}\//.test(specifier);
}

function importedName(specifier: Tree): string {
  return specifier.type === "ImportDefaultSpecifier" ? "default" : nameOf(specifier["imported"]);
}

function member(namespace: string, name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `${namespace}.${name}` : `${namespace}[${JSON.stringify(name)}]`;
}

function declaredNames(declaration: Tree): string[] {
  if (isTree(declaration["id"])) return [nameOf(declaration["id"])];
  return trees(declaration["declarations"]).flatMap((declarator) => boundNames(declarator["id"]));
}

function boundNames(pattern: unknown): string[] {
  if (!isTree(pattern)) return [];
  switch (pattern.type) {
    case "Identifier":
      return [nameOf(pattern)];
    case "ObjectPattern":
      return trees(pattern["properties"]).flatMap((property) => boundNames(property["value"] ?? property["argument"]));
    case "ArrayPattern":
      return trees(pattern["elements"]).flatMap(boundNames);
    case "AssignmentPattern":
      return boundNames(pattern["left"]);
    case "RestElement":
      return boundNames(pattern["argument"]);
    default:
      return [];
  }
}
