import type { App } from "../code/app.ts";

export const HTTP_MODULE = "http.js";

export interface HttpRoute {
  readonly component: string;
  /** What the component's own router looks up. */
  readonly path: string;
  /** Route as declared, `/feed` or `/feed/*`, for the function log; the path itself when no route matches. */
  readonly route: string;
}

/**
 * Which component answers a request, and under which path (`abi.md` §4.4). `disabled`: the app has neither an `http.js`
 * nor mounted components. A request that no route matches goes to the router all the same, which may know better.
 */
export function routeHttp(app: App | null, path: string, method: string): HttpRoute | "disabled" | "unrouted" {
  return app === null ? "disabled" : routeIn(app, "", path, method === "HEAD" ? "GET" : method);
}

function routeIn(app: App, component: string, path: string, method: string): HttpRoute | "disabled" | "unrouted" {
  const found = app.component(component);
  if (found === undefined) return "disabled";
  const routes = found.modules[HTTP_MODULE]?.httpRoutes ?? null;
  const mounts = Object.entries(found.httpMounts);
  if (routes === null && mounts.length === 0) return "disabled";

  // Without a router of its own, or without the prefix, nothing but a mount can answer.
  const own = routes === null ? null : ownPath(component === "" ? found.httpPrefix : null, path);
  const declared = (routes ?? []).filter((route) => route[1] === method).map(([route]) => route);
  if (own !== null && declared.includes(own)) return { component, path: own, route: own };

  const prefix = own === null ? null : longest(declared.filter(isPrefix), (route) => own.startsWith(bare(route)));
  const mount = longest(mounts, ([mounted]) => path.startsWith(mounted));
  if (mount !== null && mount[0].length >= (prefix === null ? 0 : bare(prefix).length)) {
    const child = found.children[mount[1]];
    const rest = `/${path.slice(mount[0].length)}`;
    return child === undefined ? "unrouted" : routeIn(app, child, rest, method);
  }
  if (own === null) return "unrouted";
  return { component, path: own, route: prefix ?? own };
}

/** The path without the app's prefix; null when it does not begin with it. */
function ownPath(prefix: string | null, path: string): string | null {
  if (prefix === null || prefix === "/") return path;
  return path.startsWith(prefix) ? path.slice(prefix.length - 1) : null;
}

function isPrefix(route: string): boolean {
  return route.endsWith("/*");
}

/** A prefix route without its star. */
function bare(route: string): string {
  return route.slice(0, -1);
}

function longest<T extends string | readonly [string, string]>(
  candidates: readonly T[],
  matches: (candidate: T) => boolean,
): T | null {
  const length = (candidate: T): number => (typeof candidate === "string" ? candidate : candidate[0]).length;
  return candidates.filter(matches).toSorted((a, b) => length(b) - length(a))[0] ?? null;
}
