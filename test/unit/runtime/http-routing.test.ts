import { expect, test } from "vitest";
import type { AppVersion } from "../../../src/protocol/app.ts";
import { App } from "../../../src/runtime/code/app.ts";
import { routeHttp } from "../../../src/runtime/functions/http-routing.ts";
import { SCHEMA_LIMITS } from "../../../src/values/limits.ts";

interface Node {
  readonly routes?: readonly (readonly [string, string])[];
  readonly prefix?: string;
  readonly mounts?: Readonly<Record<string, string>>;
  readonly children?: Readonly<Record<string, string>>;
}

function appOf(nodes: Readonly<Record<string, Node>>): App {
  const components = Object.fromEntries(
    Object.entries(nodes).map(([path, { routes, prefix, mounts, children }]) => [
      path,
      {
        modules: routes === undefined ? {} : { "http.js": { httpRoutes: routes } },
        httpPrefix: prefix ?? null,
        httpMounts: mounts ?? {},
        children: children ?? {},
      },
    ]),
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the parts that routing looks at
  return new App({ components } as unknown as AppVersion, SCHEMA_LIMITS);
}

const app = appOf({
  "": {
    routes: [
      ["/a", "GET"],
      ["/a/*", "GET"],
      ["/a/b/*", "GET"],
      ["/a", "POST"],
    ],
    mounts: { "/a/b/": "x", "/m/": "x" },
    children: { x: "x" },
  },
  x: { routes: [["/deep", "GET"]], mounts: { "/deeper/": "y" }, children: { y: "x/y" } },
  "x/y": { routes: [["/*", "GET"]] },
});

test.each([
  ["/a", "GET", { component: "", path: "/a", route: "/a" }],
  ["/a", "HEAD", { component: "", path: "/a", route: "/a" }],
  ["/a/", "GET", { component: "", path: "/a/", route: "/a/*" }],
  // A mount as long as a prefix route goes first.
  ["/a/b/deep", "GET", { component: "x", path: "/deep", route: "/deep" }],
  ["/m/deeper/down", "GET", { component: "x/y", path: "/down", route: "/*" }],
  ["/other", "PUT", { component: "", path: "/other", route: "/other" }],
])("P-H-1 %s %s", (path, method, expected) => {
  expect(routeHttp(app, path, method)).toEqual(expected);
});

test("P-H-3 the app's prefix goes off before its own routes, and mounts do not know it", () => {
  const prefixed = appOf({
    "": { routes: [["/a", "GET"]], prefix: "/p/", mounts: { "/m/": "x" }, children: { x: "x" } },
    x: { routes: [["/a", "GET"]] },
  });
  expect(routeHttp(prefixed, "/p/a", "GET")).toEqual({ component: "", path: "/a", route: "/a" });
  expect(routeHttp(prefixed, "/a", "GET")).toBe("unrouted");
  expect(routeHttp(prefixed, "/m/a", "GET")).toEqual({ component: "x", path: "/a", route: "/a" });
});

test("E-D-15 no app, no http.js", () => {
  expect(routeHttp(null, "/", "GET")).toBe("disabled");
  expect(routeHttp(appOf({ "": {} }), "/", "GET")).toBe("disabled");
});
