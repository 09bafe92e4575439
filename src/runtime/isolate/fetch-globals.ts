import { callOriginal, define, interceptConstruction, wrapMethod } from "./define.ts";
import { actionOnly, refused } from "./forbidden.ts";
import { noteBody, noteWhole } from "./whole-response.ts";
import { realFetch, RealRequest, RealResponse } from "./originals.ts";
import { currentCall } from "./running.ts";

/** Requests made with `redirect: "error"`, which the platform does not know. */
const refusesRedirect = new WeakSet<Request>();

/** Options the platform refuses although they mean nothing on a server. */
function acceptableInit(init: object): object {
  const kept: Record<string, unknown> = { ...init };
  if (kept["redirect"] === "error") kept["redirect"] = "manual";
  if (kept["cache"] !== "no-store" && kept["cache"] !== "no-cache") delete kept["cache"];
  delete kept["integrity"];
  return kept;
}

/** What `Response.json` makes of no options. */
const JSON_INIT = { headers: { "content-type": "application/json" } };

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function replaceRequest(): void {
  interceptConstruction(
    "Request",
    RealRequest,
    ([input, init, ...rest]) => [input, isObject(init) ? acceptableInit(init) : init, ...rest],
    (request, [input, init]) => {
      const redirect = isObject(init) && "redirect" in init ? init.redirect : undefined;
      const inherited = redirect === undefined && input instanceof RealRequest && refusesRedirect.has(input);
      if (redirect === "error" || inherited) refusesRedirect.add(request);
    },
  );
}

function replaceResponse(): void {
  const checked = (args: unknown[]): unknown[] => {
    const init = args[1];
    if (isObject(init) && "status" in init && init.status !== undefined) {
      const status = Number(init.status);
      if (!(status >= 200 && status <= 599)) {
        throw new RangeError("Failed to construct 'Response': The status provided is outside the range [200, 599].");
      }
    }
    return args;
  };
  interceptConstruction("Response", RealResponse, checked, (response, [body]) => noteBody(response, body));
  wrapMethod(RealResponse, "json", (original, receiver, args) => {
    const [value, init] = args;
    const text = init === undefined ? (JSON.stringify(value) as string | undefined) : undefined;
    if (text !== undefined) {
      const response = new RealResponse(text, JSON_INIT);
      noteBody(response, text);
      return response;
    }
    const response = callOriginal(original, receiver, args);
    if (response instanceof RealResponse) noteWhole(response);
    return response;
  });
  define(RealResponse, "error", function error() {
    return new RealResponse(null, { status: 500 });
  });
}

function gateFormData(): void {
  for (const prototype of [RealRequest.prototype, RealResponse.prototype]) {
    wrapMethod(prototype, "formData", (original, receiver, args) => {
      const refusal = actionOnly("formData()");
      return refusal === undefined ? callOriginal(original, receiver, args) : refused(refusal);
    });
  }
}

/** What Convex says to other servers when the function says nothing; GitHub and Resend refuse requests without an agent. */
const DEFAULT_HEADERS = { "user-agent": "Convex/1.0", accept: "*/*" };

async function guardedFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const scheme = new URL(request.url).protocol.slice(0, -1);
  if (scheme !== "http" && scheme !== "https") {
    throw new TypeError(`Unsupported URL scheme -- http and https are supported (scheme was ${scheme})`);
  }
  for (const [name, value] of Object.entries(DEFAULT_HEADERS)) {
    if (!request.headers.has(name)) request.headers.set(name, value);
  }
  const finish = currentCall()?.beginOperation("fetch");
  try {
    const response = await realFetch(request);
    if (refusesRedirect.has(request) && response.status >= 300 && response.headers.has("location")) {
      throw new TypeError("fetch attempted redirect");
    }
    return response;
  } catch (error) {
    throw redirectError(error) ?? networkError(error, request.url) ?? error;
  } finally {
    finish?.();
  }
}

/** The platform follows at most 20 redirects too, in other words. */
function redirectError(error: unknown): TypeError | undefined {
  const message = error instanceof Error ? error.message : "";
  if (/too many redirects/i.test(message)) return new TypeError("fetch too many redirects");
  if (/one-time-use body/.test(message)) return new TypeError("fetch cannot redirect with streamed body");
  return undefined;
}

/** The platform tells little about a server that can't be reached, and by two texts that don't name it. */
function networkError(error: unknown, url: string): Error | undefined {
  const message = error instanceof Error ? error.message : "";
  if (!/^(internal error; reference = |Network connection lost)/.test(message)) return undefined;
  return new Error(`error sending request for url (${url})`, { cause: error });
}

export function installFetch(): void {
  replaceRequest();
  replaceResponse();
  gateFormData();
  define(globalThis, "fetch", function fetch(input: RequestInfo | URL, init?: RequestInit) {
    const refusal = actionOnly("fetch()");
    if (refusal !== undefined) return refused(refusal);
    return guardedFetch(input, init);
  });
}
