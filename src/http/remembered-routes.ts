import type { Result, Router } from "hono/router";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";

/**
 * Hono's own routers, and what they found for paths without parameters. Routes such as `/api/run/*` make Hono fall
 * back to a trie, whose search costs more than everything else it does. Remembers no more than there are routes.
 */
export class RememberedRoutes<T> implements Router<T> {
  readonly name = "RememberedRoutes";
  readonly #inner: Router<T> = new SmartRouter({ routers: [new RegExpRouter(), new TrieRouter()] });
  /** Paths that stand for themselves. */
  readonly #fixed = new Set<string>();
  readonly #found = new Map<string, Map<string, Result<T>>>();

  add(method: string, path: string, handler: T): void {
    if (!/[:*{?]/.test(path)) this.#fixed.add(path);
    this.#inner.add(method, path, handler);
  }

  match(method: string, path: string): Result<T> {
    const found = this.#found.get(method)?.get(path);
    if (found !== undefined) return found;
    const result = this.#inner.match(method, path);
    if (METHODS.has(method) && this.#fixed.has(path)) {
      const ofMethod = this.#found.get(method) ?? new Map<string, Result<T>>();
      this.#found.set(method, ofMethod.set(path, result));
    }
    return result;
  }
}

/** Others come from whoever likes to invent them. */
const METHODS: ReadonlySet<string> = new Set(["GET", "POST", "OPTIONS"]);
