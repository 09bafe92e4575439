import type { Invocation, RequestHead, ThrownError } from "../../protocol/invocation.ts";
import { unframe } from "../../shared/frame.ts";
import { isHolder } from "../../values/exported-functions.ts";
import { findModule } from "./lookup.ts";
import type { Realm } from "./realm.ts";
import { RealRequest, RealResponse } from "./originals.ts";
import { wholeText } from "./thrown-error.ts";

export type RoutedAction =
  | { readonly ok: true; readonly run: (request: Request) => Promise<Response> }
  | { readonly ok: false; readonly error: ThrownError };

/** Without a body by definition of Convex, whatever the client sent (`abi.md` §4.4). */
const BODILESS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Finds the handler of a request in the router of `http.js` (`abi.md` §4.3). */
export function routeRequest(realm: Realm, invocation: Invocation): RoutedAction {
  const { target } = invocation;
  const module = findModule(realm, target.module, target.path);
  if (!module.ok) return module;
  const router: unknown = Object.hasOwn(module.value, "default") ? Reflect.get(module.value, "default") : undefined;
  const mistake = routerMistake(router);
  if (mistake !== undefined || !isHolder(router)) return { ok: false, error: wholeText(mistake ?? "") };
  const path = routedPath(invocation);
  return {
    ok: true,
    run: async (incoming) => await route(router, path ?? new URL(incoming.url).pathname, incoming),
  };
}

/** A request that came whole. */
export function receivedRequest(framed: Uint8Array<ArrayBuffer>): Request {
  const { head, bytes } = unframe(framed);
  const { url, method, headers, body } = JSON.parse(head) as RequestHead;
  const init = { method, headers: headers.map(([name, value]): [string, string] => [name, value]), redirect: "manual" };
  return new RealRequest(url, body ? { ...init, body: bytes } : init);
}

export function routerMistake(router: unknown): string | undefined {
  if (router === undefined) return "`convex/http.js` must have a default export of a Router.";
  if (!isHolder(router) || Reflect.get(router, "isRouter") !== true) {
    return "The default export of `convex/http.js` is not a Router.";
  }
  return undefined;
}

/** The only argument of an HTTP action's invocation: the path within its component, when it is not the URL's. */
function routedPath(invocation: Invocation): string | undefined {
  const args: unknown = JSON.parse(invocation.args);
  const path: unknown = Array.isArray(args) ? args[0] : undefined;
  return typeof path === "string" && path !== "" ? path : undefined;
}

async function route(router: object, path: string, request: Request): Promise<Response> {
  const lookup: unknown = Reflect.get(router, "lookup");
  if (typeof lookup !== "function") throw new Error("The default export of `convex/http.js` is not a Router.");
  const match: unknown = Reflect.apply(lookup, router, [path, request.method]);
  if (match === null) {
    return new RealResponse("No matching routes found", {
      status: 404,
      headers: { "content-type": "text/plain; charset=utf-8" },
    });
  }
  const handler: unknown = Array.isArray(match) ? match[0] : undefined;
  const invoke: unknown = isHolder(handler) ? Reflect.get(handler, "invokeHttpAction") : undefined;
  if (typeof invoke !== "function") throw new Error("HTTP routes must be handled by an `httpAction`.");
  const incoming = BODILESS.has(request.method) && request.body !== null ? withoutBody(request) : request;
  const response: unknown = await Reflect.apply(invoke, handler, [incoming]);
  if (!(response instanceof RealResponse)) throw new Error("HTTP actions must return a Response");
  return response;
}

function withoutBody(request: Request): Request {
  const { url, method, headers } = request;
  const bodiless = new RealRequest(url, { method, headers });
  const signal = Object.getOwnPropertyDescriptor(request, "signal");
  if (signal !== undefined) Object.defineProperty(bodiless, "signal", signal);
  return bodiless;
}
