import { newImport, whileImporting } from "./import-phase.ts";
import { missingModuleText } from "./module-table.ts";
import { currentCall } from "./running.ts";
import { type ModuleSharing, modulesToShare } from "./shared-modules.ts";
import { compileAtStart } from "./wasm-globals.ts";

/** What a rewritten module exports (`code/realm-module.ts`). */
interface RealmDefinition {
  /** Evaluated once, at start-up, for all calls. */
  readonly shared: boolean;
  /** Specifiers that the platform resolves. */
  readonly external: readonly string[];
  /** Null: nobody can import it. */
  readonly sharing: ModuleSharing | null;
  /** The WebAssembly that its code spells out. */
  readonly wasm: () => readonly string[];
  readonly default: (module: ModuleScope) => Generator<void, void>;
}

/** What a module's generator is handed in place of the `import` and `export` of the source. */
interface ModuleScope {
  /** First of all: the getters of what it exports, good for modules that import it in a cycle. */
  exports(namespace: object): void;
  import(key: string): object;
  star(namespace: object): void;
  load(specifier: unknown): Promise<object>;
  readonly meta: { readonly url: string };
}

type Definition =
  | { readonly kind: "module"; readonly shared: boolean; readonly start: RealmDefinition["default"] }
  | { readonly kind: "external"; readonly namespace: object }
  | { readonly kind: "broken"; readonly error: unknown };

/** `linked` → `evaluating` → `evaluated` or `failed`. */
interface Instance {
  state: "linked" | "evaluating" | "evaluated" | "failed";
  namespace: object;
  readonly imports: Instance[];
  evaluate: () => void;
  error?: unknown;
}

const definitions = new Map<string, Definition>();
const sharings = new Map<string, ModuleSharing>();
/** Keys of modules that the first call which imports them evaluates for all calls. */
let proven: ReadonlySet<string> = new Set();

/** One evaluation of the modules of the app, each when it is first imported. A call has one of its own. */
export class Realm {
  readonly #instances = new Map<string, Instance>();
  readonly #shared: Realm | undefined;

  /** Without `shared` it is the realm that all calls share. */
  constructor(shared?: Realm) {
    this.#shared = shared;
  }

  has(key: string): boolean {
    return definitions.has(key);
  }

  /** The namespace of a module. Throws what its evaluation threw, as often as it is asked for. */
  import(key: string): object {
    const instance = this.#link(key);
    evaluate(instance);
    return instance.namespace;
  }

  instance(key: string): Instance | undefined {
    return this.#instances.get(key);
  }

  #link(key: string): Instance {
    const known = this.#shared?.instance(key) ?? this.#instances.get(key);
    if (known !== undefined) return known;
    if (this.#shared !== undefined && proven.has(key)) return this.#shared.#link(key);
    const instance: Instance = { state: "linked", namespace: {}, imports: [], evaluate: () => {} };
    this.#instances.set(key, instance);
    const definition = definitions.get(key) ?? { kind: "broken", error: new Error(`No such module "${key}".`) };
    switch (definition.kind) {
      case "module":
        this.#start(key, definition.start, instance);
        break;
      case "external":
        instance.namespace = definition.namespace;
        break;
      case "broken":
        fail(instance, definition.error);
        break;
      default:
        definition satisfies never;
    }
    return instance;
  }

  #start(key: string, start: RealmDefinition["default"], instance: Instance): void {
    try {
      const body = start(this.#scope(key, instance));
      body.next();
      instance.evaluate = () => void body.next();
    } catch (error) {
      fail(instance, error);
    }
  }

  #scope(key: string, instance: Instance): ModuleScope {
    return {
      exports: (namespace) => {
        instance.namespace = namespace;
      },
      import: (imported) => {
        const other = this.#link(imported);
        instance.imports.push(other);
        return other.namespace;
      },
      star: (namespace) => reexport(instance.namespace, namespace),
      load: async (specifier) => {
        // Off the stack of user code: what is evaluated for all calls must not fail because it was nearly full.
        await Promise.resolve();
        const text = String(specifier);
        if (currentCall()?.deterministic === true) {
          throw new TypeError("dynamic module import unsupported");
        }
        const imported = /^\.{0,2}\//.test(text) ? new URL(text, `file:///${key}`).pathname.slice(1) : text;
        if (!this.has(imported)) {
          if (imported !== text) throw new Error(missingModuleText(imported));
          return (await import(imported)) as object;
        }
        return whileImporting(newImport(imported), () => this.import(imported));
      },
      meta: { url: `file:///${key}` },
    };
  }
}

/** What it imports first. In a cycle, what is being evaluated already counts as done. */
function evaluate(instance: Instance): void {
  if (instance.state === "linked") {
    instance.state = "evaluating";
    try {
      for (const imported of instance.imports) evaluate(imported);
      instance.evaluate();
      instance.state = "evaluated";
    } catch (error) {
      fail(instance, error);
    }
  }
  if (instance.state === "failed") throw instance.error;
}

function fail(instance: Instance, error: unknown): void {
  instance.state = "failed";
  instance.error = error;
}

const sharedRealm = new Realm();

export function newRealm(): Realm {
  return new Realm(sharedRealm);
}

/** Called by the main module for each module at start-up. One that can't be loaded fails only those who import it. */
export async function defineModule(key: string, importModule: () => Promise<RealmDefinition>): Promise<void> {
  try {
    const { shared, external, sharing, wasm, default: start } = await importModule();
    compileAtStart(wasm());
    definitions.set(key, { kind: "module", shared, start });
    if (sharing !== null) sharings.set(key, sharing);
    await Promise.all(external.map(defineExternal));
  } catch (error) {
    definitions.set(key, { kind: "broken", error });
  }
}

async function defineExternal(specifier: string): Promise<void> {
  if (definitions.has(specifier)) return;
  try {
    const namespace = (await import(specifier)) as object;
    definitions.set(specifier, { kind: "external", namespace });
  } catch (error) {
    definitions.set(specifier, { kind: "broken", error });
  }
}

/** Called last at start-up, while WebAssembly and code from strings may still be made. */
export function evaluateShared(): void {
  proven = modulesToShare(sharings);
  for (const [key, definition] of definitions) {
    if (definition.kind !== "module" || !definition.shared) continue;
    whileImporting(newImport(key), () => {
      try {
        sharedRealm.import(key);
      } catch {
        // Kept by the realm: whoever imports the module gets it.
      }
    });
  }
}

/** `export * from`: what the module exports itself goes first, and defaults are left out. */
function reexport(into: object, from: object): void {
  for (const name of Object.keys(from)) {
    if (name === "default" || Object.hasOwn(into, name)) continue;
    Object.defineProperty(into, name, { enumerable: true, get: () => Reflect.get(from, name) as unknown });
  }
}
