import type { Program } from "acorn";
import type { Reference, Scope, Variable } from "eslint-scope";
import { ANY_MODULE, type ModuleSharing } from "../isolate/shared-modules.ts";
import { isTree, nameOf, type Tree, tree, trees } from "./syntax-tree.ts";

/** A local name of an import. */
interface Imported {
  readonly key: string;
  readonly name: string;
}

/** What evaluating an expression yields; `made`: by the package. What is no primitive could be changed by who has it. */
type Kind = "primitive" | "function" | "object" | "made";

class Unproven extends Error {}

/** Key of a module of the app; null: one of the platform's. */
type KeyOf = (specifier: string) => string | null;

/**
 * Whether one evaluation of a module may serve all calls: nothing it keeps can change, and nothing it hands out can be
 * changed by others. Proven of modules that only register functions, declare functions and name primitives, which most
 * are. What is not understood here is evaluated by each call. `isolate/shared-modules.ts` puts an app together.
 */
export function moduleSharing(program: Program, top: Scope, keyOf: KeyOf): Omit<ModuleSharing, "package"> {
  return new Sharing(program, top, keyOf).result();
}

class Sharing {
  readonly #program: Program;
  readonly #top: Scope;
  readonly #keyOf: KeyOf;
  readonly #imported = new Map<string, Imported>();
  readonly #imports = new Set<string>();
  readonly #calls = new Set<string>();
  readonly #uses: (readonly [string, string])[] = [];
  readonly #kinds = new Map<string, Kind>();
  readonly #exported: (readonly [name: string, local: string])[] = [];
  readonly #callees = new Set<unknown>();
  /** Identifiers that stand in expressions of the evaluation itself, where they were understood. */
  readonly #evaluated = new Set<unknown>();
  #forbidden = false;

  constructor(program: Program, top: Scope, keyOf: KeyOf) {
    this.#program = program;
    this.#top = top;
    this.#keyOf = keyOf;
  }

  result(): Omit<ModuleSharing, "package"> {
    for (const statement of this.#program.body) this.#link(tree(statement));
    this.#visit(tree(this.#program), false);
    const stateless = this.#isStateless();
    for (const [name, { key, name: exported }] of this.#imported) {
      const variable = this.#top.set.get(name);
      const escapes = variable?.references.some(({ identifier }) => !this.#callees.has(identifier)) ?? false;
      if (escapes) this.#uses.push([key, exported]);
    }
    const primitives = this.#exported.filter(([, local]) => this.#kinds.get(local) === "primitive");
    return {
      stateless,
      imports: [...this.#imports],
      calls: [...this.#calls],
      uses: this.#uses,
      primitives: primitives.map(([name]) => name),
    };
  }

  #link(node: Tree): void {
    const { source } = node;
    if (!isTree(source)) return;
    const key = this.#keyOf(String(source["value"]));
    if (key === null) {
      // Of the platform: what that keeps is not known.
      this.#forbidden = true;
      return;
    }
    this.#imports.add(key);
    if (node.type === "ExportAllDeclaration") this.#uses.push([key, "*"]);
    for (const specifier of trees(node["specifiers"])) {
      if (node.type !== "ImportDeclaration") this.#uses.push([key, nameOf(specifier["local"])]);
      else this.#imported.set(nameOf(specifier["local"]), { key, name: importedName(specifier) });
    }
  }

  /** What is looked for in all of the code, wherever it stands. */
  #visit(node: Tree, insideClass: boolean): void {
    switch (node.type) {
      case "CallExpression":
        this.#callees.add(node["callee"]);
        break;
      case "ThisExpression":
        this.#forbidden ||= !insideClass;
        break;
      case "ImportExpression": {
        const { source } = node;
        const specifier = isTree(source) && source.type === "Literal" ? source["value"] : undefined;
        const key = typeof specifier === "string" ? this.#keyOf(specifier) : ANY_MODULE;
        if (key !== null) this.#uses.push([key, "*"]);
        this.#forbidden = true;
        break;
      }
      case "MetaProperty":
        this.#forbidden = true;
        break;
      default:
    }
    const inside = insideClass || node.type === "ClassBody";
    for (const child of Object.values(node)) {
      for (const item of Array.isArray(child) ? child : [child]) if (isTree(item)) this.#visit(item, inside);
    }
  }

  #isStateless(): boolean {
    if (this.#forbidden) return false;
    try {
      for (const statement of this.#program.body) this.#statement(tree(statement));
      return this.#top.variables.every((variable) => this.#isConstant(variable));
    } catch (error) {
      if (error instanceof Unproven) return false;
      throw error;
    }
  }

  #statement(node: Tree): void {
    switch (node.type) {
      case "ImportDeclaration":
      case "EmptyStatement":
      case "ExportAllDeclaration":
        return;
      case "FunctionDeclaration":
        this.#declareFunction(node);
        return;
      case "VariableDeclaration":
        for (const { id, init } of trees(node["declarations"]) as { id?: unknown; init?: unknown }[]) {
          if (!isTree(id) || id.type !== "Identifier" || !isTree(init)) throw new Unproven();
          this.#kinds.set(nameOf(id), this.#expression(init));
          this.#evaluated.add(id);
        }
        return;
      case "ExpressionStatement": {
        // A directive, or `http.route(…)`.
        const expression = tree(node["expression"]);
        if (expression.type !== "Literal" && expression.type !== "CallExpression") throw new Unproven();
        this.#expression(expression);
        return;
      }
      case "ExportNamedDeclaration":
        if (isTree(node["declaration"])) {
          this.#statement(node["declaration"]);
          for (const name of declaredNames(node["declaration"])) this.#exported.push([name, name]);
        } else if (!isTree(node["source"])) {
          for (const specifier of trees(node["specifiers"])) {
            this.#exported.push([nameOf(specifier["exported"]), nameOf(specifier["local"])]);
            this.#evaluated.add(specifier["local"]);
          }
        }
        return;
      case "ExportDefaultDeclaration":
        if (tree(node["declaration"]).type === "FunctionDeclaration") this.#declareFunction(tree(node["declaration"]));
        else this.#expression(tree(node["declaration"]));
        return;
      default:
        throw new Unproven();
    }
  }

  /** A generator's `prototype` is reached by what it returns. */
  #declareFunction(node: Tree): void {
    if (node["generator"] === true) throw new Unproven();
    if (isTree(node["id"])) this.#kinds.set(nameOf(node["id"]), "function");
  }

  #expression(node: Tree): Kind {
    switch (node.type) {
      case "Literal":
        if ("regex" in node) throw new Unproven();
        return "primitive";
      case "TemplateLiteral":
        for (const part of trees(node["expressions"])) this.#primitive(part);
        return "primitive";
      case "UnaryExpression":
        this.#primitive(tree(node["argument"]));
        return "primitive";
      case "BinaryExpression":
        this.#primitive(tree(node["left"]));
        this.#primitive(tree(node["right"]));
        return "primitive";
      case "ArrowFunctionExpression":
        return "function";
      case "FunctionExpression":
        // By its own name it could be changed.
        if (node["generator"] === true || isTree(node["id"])) throw new Unproven();
        return "function";
      case "ObjectExpression":
        for (const property of trees(node["properties"])) this.#property(property);
        return "object";
      case "ArrayExpression":
        for (const element of trees(node["elements"])) this.#expression(element);
        return "object";
      case "Identifier":
        return this.#name(node);
      case "MemberExpression":
        this.#member(node);
        return "made";
      case "CallExpression":
        this.#call(node);
        return "made";
      default:
        throw new Unproven();
    }
  }

  #primitive(node: Tree): void {
    if (this.#expression(node) !== "primitive") throw new Unproven();
  }

  #property(node: Tree): void {
    if (node.type === "SpreadElement") {
      this.#expression(tree(node["argument"]));
      return;
    }
    if (node["computed"] === true || node["kind"] !== "init") throw new Unproven();
    this.#expression(tree(node["value"]));
  }

  #name(node: Tree): Kind {
    const name = nameOf(node);
    this.#evaluated.add(node);
    if (name === "undefined") return "primitive";
    if (this.#imported.has(name)) return "object";
    const kind = this.#kinds.get(name) ?? (this.#isHoisted(name) ? "function" : undefined);
    if (kind === undefined) throw new Unproven();
    return kind;
  }

  #isHoisted(name: string): boolean {
    return this.#top.set.get(name)?.defs[0]?.type === "FunctionName";
  }

  /** Of what the package made or exports: its getters change nothing. */
  #member(node: Tree): void {
    if (node["computed"] === true || node["optional"] === true) throw new Unproven();
    const object = tree(node["object"]);
    if (object.type === "Identifier") {
      const imported = this.#imported.get(nameOf(object));
      if (imported !== undefined) this.#calls.add(imported.key);
      else if (this.#kinds.get(nameOf(object)) !== "made") throw new Unproven();
      this.#evaluated.add(object);
    } else if (object.type === "MemberExpression") {
      this.#member(object);
    } else if (object.type === "CallExpression") {
      this.#call(object);
    } else {
      throw new Unproven();
    }
  }

  /** A function of the package, or a method of what it made: they keep their arguments and call none of them. */
  #call(node: Tree): void {
    const callee = tree(node["callee"]);
    if (callee.type === "Identifier") {
      const imported = this.#imported.get(nameOf(callee));
      if (imported === undefined) throw new Unproven();
      this.#calls.add(imported.key);
      this.#evaluated.add(callee);
    } else if (callee.type === "MemberExpression") {
      this.#member(callee);
    } else {
      throw new Unproven();
    }
    for (const argument of trees(node["arguments"])) this.#expression(argument);
  }

  /** Whether no code that runs later can change the value of a name, or what the value holds. */
  #isConstant(variable: Variable): boolean {
    if (this.#imported.has(variable.name)) return true;
    const kind = this.#kinds.get(variable.name);
    return variable.references.every((reference) => this.#isHarmless(reference, kind));
  }

  #isHarmless(reference: Reference, kind: Kind | undefined): boolean {
    const { identifier } = reference;
    if (reference.isWrite()) return reference.init === true && this.#evaluated.has(identifier);
    if (this.#evaluated.has(identifier) || kind === "primitive") return true;
    return kind === "function" && this.#callees.has(identifier);
  }
}

function importedName(specifier: Tree): string {
  if (specifier.type === "ImportNamespaceSpecifier") return "*";
  return specifier.type === "ImportDefaultSpecifier" ? "default" : nameOf(specifier["imported"]);
}

function declaredNames(declaration: Tree): string[] {
  if (isTree(declaration["id"])) return [nameOf(declaration["id"])];
  return trees(declaration["declarations"]).map((declarator) => nameOf(declarator["id"]));
}
