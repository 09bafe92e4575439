/** What `code/module-sharing.ts` found out about a module, and the rewritten module says of itself. */
export interface ModuleSharing {
  /** Code of the package `convex`: keeps nothing of a call, whoever uses it. */
  readonly package: boolean;
  /** Proven, as far as it depends on the module alone: no code that runs later can change what it keeps. */
  readonly stateless: boolean;
  /** Keys of the modules it imports: they have to be shared, too. */
  readonly imports: readonly string[];
  /** Keys of those whose functions its evaluation calls: only of the package is known what they do. */
  readonly calls: readonly string[];
  /** What it imports and does more with than call it: so used, a value may be changed. `"*"` is all of a module. */
  readonly uses: readonly (readonly [key: string, name: string])[];
  /** Names of its exports whose values can't be changed. */
  readonly primitives: readonly string[];
}

/** Key of a use: all modules, by a dynamic import that does not say which. */
export const ANY_MODULE = "*";

/** Keys of the modules of an app that one evaluation may serve all calls of. */
export function modulesToShare(modules: ReadonlyMap<string, ModuleSharing>): ReadonlySet<string> {
  const used = usedNames(modules);
  const shared = new Set<string>();
  for (const [key, { stateless, calls, primitives }] of modules) {
    const names = [...(used.get(key) ?? []), ...(used.get(ANY_MODULE) ?? [])];
    const isOpen = names.some((name) => !primitives.includes(name));
    if (stateless && !isOpen && calls.every((called) => modules.get(called)?.package === true)) shared.add(key);
  }
  // One that goes may take those that import it along.
  for (let before = -1; before !== shared.size;) {
    before = shared.size;
    for (const key of shared) {
      const imports = modules.get(key)?.imports ?? [];
      const isClosed = imports.every((other) => shared.has(other) || modules.get(other)?.package === true);
      if (!isClosed) shared.delete(key);
    }
  }
  return shared;
}

function usedNames(modules: ReadonlyMap<string, ModuleSharing>): ReadonlyMap<string, ReadonlySet<string>> {
  const used = new Map<string, Set<string>>();
  for (const { uses } of modules.values()) {
    for (const [key, name] of uses) {
      const names = used.get(key) ?? new Set<string>();
      used.set(key, names.add(name));
    }
  }
  return used;
}
