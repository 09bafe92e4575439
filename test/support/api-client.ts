import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import type { TestBackend } from "./backend.ts";

/** The JSON body of one call over HTTP (`POST /api/query` and its siblings). */
export interface Answer {
  readonly status: "success" | "error";
  readonly value?: unknown;
  readonly errorMessage?: string;
  readonly errorData?: unknown;
  readonly logLines?: readonly string[];
}

export type Kind = "query" | "mutation" | "action";

type Args = Readonly<Record<string, unknown>>;

/** The public HTTP API by function name, as a program in any language would use it. */
export class ApiClient {
  readonly #url: string;
  readonly #adminKey: string;

  constructor(backend: Pick<TestBackend, "url" | "adminKey">) {
    this.#url = backend.url.replace(/\/$/, "");
    this.#adminKey = backend.adminKey;
  }

  query(path: string, args: Args = {}): Promise<Answer> {
    return this.call("query", path, args);
  }

  mutation(path: string, args: Args = {}): Promise<Answer> {
    return this.call("mutation", path, args);
  }

  action(path: string, args: Args = {}): Promise<Answer> {
    return this.call("action", path, args);
  }

  call(kind: Kind, path: string, args: Args = {}): Promise<Answer> {
    return this.#json(`/api/${kind}`, { path, args, format: "json" });
  }

  /** `POST /api/run/dir/module/function`. */
  run(urlPath: string, args: Args = {}): Promise<Answer> {
    return this.#json(`/api/run/${urlPath}`, { args });
  }

  /** `POST /api/function`, which only an admin may: any function of any component. */
  admin(path: string, args: Args = {}, componentPath?: string): Promise<Answer> {
    const body = { path, args, format: "json", ...(componentPath === undefined ? {} : { componentPath }) };
    return this.#json("/api/function", body, { authorization: `Convex ${this.#adminKey}` });
  }

  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.#url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  /** The official client for programs without subscriptions. */
  client(): ConvexHttpClient {
    return new ConvexHttpClient(this.#url, { skipConvexDeploymentUrlCheck: true, logger: false });
  }

  async #json(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    const response = await this.post(path, body, headers);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${text}`);
    const answer: Answer = JSON.parse(text);
    return answer;
  }
}

/** The value of a call that has to succeed. */
export async function valueOf(answer: Promise<Answer>): Promise<unknown> {
  const { status, value, errorMessage } = await answer;
  if (status !== "success") throw new Error(`the function failed: ${errorMessage}`);
  return value;
}

/** The text of a call that has to fail, without the line that names the request. */
export async function errorOf(answer: Promise<Answer>): Promise<string> {
  const { status, value, errorMessage = "" } = await answer;
  if (status !== "error") throw new Error(`the function answered ${JSON.stringify(value)}`);
  return errorMessage.replace(/^\[Request ID: [^\]]+\] Server Error\n/, "");
}

export interface ActionCaller {
  readonly name: string;
  /** The value, or a rejection with the text of the function's error. */
  readonly call: (path: string, args?: Args) => Promise<unknown>;
}

/**
 * Every way to an action that needs no socket and no scheduler. The app must have the action `callers:viaRunAction`,
 * which calls what it is told to.
 */
export function actionCallers(api: ApiClient): readonly ActionCaller[] {
  const http = api.client();
  return [
    { name: "POST /api/action", call: (path, args) => settled(api.action(path, args)) },
    { name: "POST /api/run", call: (path, args) => settled(api.run(path.replace(":", "/"), args)) },
    { name: "POST /api/function", call: (path, args) => settled(api.admin(path, args)) },
    {
      name: "ConvexHttpClient",
      call: async (path, args) => {
        const value: unknown = await http.action(makeFunctionReference<"action">(path), args ?? {});
        return value;
      },
    },
    {
      name: "ctx.runAction",
      call: (path, args) => settled(api.action("callers:viaRunAction", { name: path, args: args ?? {} })),
    },
  ];
}

async function settled(answer: Promise<Answer>): Promise<unknown> {
  const { status, value, errorMessage } = await answer;
  if (status === "success") return value;
  throw new Error(errorMessage);
}
