/** The backend's side of an isolate, scripted: loads user modules and hands out capabilities over a toy database. */
import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
import { unframe } from "../../../src/shared/frame.ts";
import { headersInit } from "../../../src/shared/headers.ts";
import type { BlobHead, ResponseHead, SyscallRequest, SyscallResponse } from "../../../src/protocol/invocation.ts";

export interface LoadRequest {
  readonly id: string;
  readonly modules: Record<string, { readonly js: string }>;
  readonly env: unknown;
  readonly network: boolean;
}

export interface RunRequest {
  readonly invocation: Record<string, unknown>;
  /** Documents by table, each with a `_id` and a number `n` that orders it. */
  readonly documents?: Record<string, Document[]>;
  readonly tables?: { readonly version: string; readonly tables: Record<string, Record<string, number>> };
}

export interface RunReport {
  readonly result?: unknown;
  readonly thrown?: string;
  /** Operations of every batch, in order. */
  readonly batches: SyscallRequest[][];
  readonly logs: unknown[];
  readonly documents: Record<string, Document[]>;
  readonly tableFetches: number;
  readonly mostPending: number;
}

type Json = ReturnType<typeof JSON.parse>;

interface Document {
  _id: string;
  n: number;
  [field: string]: unknown;
}

interface Env {
  LOADER: { get(id: string, code: () => unknown): { getEntrypoint(name: string): HarnessStub } };
}

interface HarnessStub {
  run(invocation: string, host: Host): Promise<string>;
  serve(invocation: string, request: Request, host: Host): Promise<string | Uint8Array<ArrayBuffer> | Response>;
  analyze(request: string): Promise<string>;
}

const hosts = new Map<string, Host>();

class Host extends RpcTarget {
  readonly batches: SyscallRequest[][] = [];
  readonly logs: unknown[] = [];
  readonly blobs = new Map<string, { head: string; bytes: Uint8Array<ArrayBuffer> }>();
  documents: Record<string, Document[]>;
  tableFetches = 0;
  mostPending = 0;
  #pending = 0;
  #inserted = 0;
  readonly #request: RunRequest;
  readonly #harness: HarnessStub;
  readonly #streams = new Map<number, { table: string; limit: number; after: number; page: Document[] }>();

  constructor(request: RunRequest, harness: HarnessStub) {
    super();
    this.#request = request;
    this.#harness = harness;
    this.documents = request.documents ?? {};
  }

  async syscalls(text: string): Promise<string> {
    const batch = JSON.parse(text) as SyscallRequest[];
    this.batches.push(batch);
    if (text.includes("hostFails")) throw new Error("the host is gone");
    this.mostPending = Math.max(this.mostPending, ++this.#pending);
    try {
      const responses: SyscallResponse[] = [];
      for (const [op, args] of batch) {
        try {
          responses.push({ ok: true, result: JSON.stringify((await this.#answer(op, JSON.parse(args))) ?? null) });
        } catch (error) {
          const data = (error as { data?: string }).data;
          responses.push({ ok: false, message: (error as Error).message, ...(data === undefined ? {} : { data }) });
        }
      }
      return JSON.stringify(responses);
    } finally {
      this.#pending--;
    }
  }

  async tables(): Promise<string> {
    this.tableFetches++;
    return JSON.stringify(this.#request.tables ?? { version: "none", tables: {} });
  }

  async log(lines: string): Promise<void> {
    this.logs.push(...(JSON.parse(lines) as unknown[]));
  }

  async finished(): Promise<void> {}

  async storeBlob(head: string, bytes: ReadableStream<Uint8Array>): Promise<string> {
    const { sha256 } = JSON.parse(head) as BlobHead;
    const id = `blob${this.blobs.size}:${sha256 ?? "unchecked"}`;
    this.blobs.set(id, { head, bytes: new Uint8Array(await new Response(bytes).arrayBuffer()) });
    return JSON.stringify({ ok: true, result: JSON.stringify(id) });
  }

  async getBlob(id: string): Promise<{ answer: string; bytes: ReadableStream<Uint8Array> | null }> {
    const blob = this.blobs.get(id);
    return {
      answer: JSON.stringify({ ok: true, result: blob?.head ?? "null" }),
      bytes: blob === undefined ? null : new Blob([blob.bytes]).stream(),
    };
  }

  async #answer(op: string, args: Json): Promise<unknown> {
    switch (op) {
      case "1.0/get":
        if (args.id === "failing") throw new Error("get failed");
        if (args.id === "convexError")
          throw Object.assign(new Error("nested"), { data: '{"$integer":"BwAAAAAAAAA="}' });
        return (
          Object.values(this.documents)
            .flat()
            .find((document) => document._id === args.id) ?? null
        );
      case "1.0/insert": {
        const rows = (this.documents[args.table] ??= []);
        const _id = `${args.table}${++this.#inserted}`;
        rows.push({ _id, n: 0, ...args.value });
        return { _id };
      }
      case "1.0/remove":
        for (const [table, rows] of Object.entries(this.documents)) {
          this.documents[table] = rows.filter((document) => document._id !== args.id);
        }
        return null;
      case "convection/queryPage":
        return this.#page(args);
      case "convection/queryCleanup":
        this.#streams.delete(args.queryId);
        return true;
      case "1.0/runUdf": {
        const nested = new Host({ ...this.#request, documents: this.documents }, this.#harness);
        const [module, name] = String(args.name).split(":");
        const target = { component: "", module: `app/${module}.js`, path: `${module}.js`, export: name };
        const seed = "f".repeat(32);
        const invocation = { ...this.#request.invocation, kind: args.udfType, target, seed };
        const text = JSON.stringify({ ...invocation, args: JSON.stringify([args.args]) });
        const result = JSON.parse(await this.#harness.run(text, nested));
        this.documents = nested.documents;
        if (!result.ok) throw Object.assign(new Error(result.error.message), { data: result.error.data });
        return JSON.parse(result.value);
      }
      case "1.0/actions/query":
      case "1.0/actions/mutation":
        if (args.args.wait !== undefined) await scheduler.wait(args.args.wait);
        if (args.args.hang === true) return new Promise(() => undefined);
        if (args.args.fail === true) throw new Error("Uncaught Error: callee failed\n    at f (../convex/x.ts:1:2)\n");
        return args.args;
      case "1.0/getFunctionMetadata":
        return { name: "dir/mod:fn", componentPath: "" };
      default:
        throw new Error(`Unknown async operation ${op}`);
    }
  }

  #page(args: Json): { rows: Document[]; done: boolean } {
    let stream = this.#streams.get(args.queryId);
    if (stream === undefined) {
      const limits = args.query.operators.map((operator: { limit?: number }) => operator.limit ?? Infinity);
      const table = args.query.source.tableName ?? args.query.source.indexName.split(".")[0];
      stream = { table, limit: Math.min(Infinity, ...limits), after: -Infinity, page: [] };
      this.#streams.set(args.queryId, stream);
    }
    const consumed = stream.page.slice(0, args.consumed);
    stream.after = consumed.at(-1)?.n ?? stream.after;
    stream.limit -= consumed.length;
    const { after } = stream;
    const rest = (this.documents[stream.table] ?? []).filter(({ n }) => n > after).sort((a, b) => a.n - b.n);
    stream.page = rest.slice(0, Math.min(args.limit, stream.limit));
    const done = stream.page.length === stream.limit || stream.page.length === rest.length;
    return { rows: stream.page, done };
  }

  report(): Omit<RunReport, "result"> {
    const { batches, logs, documents, tableFetches, mostPending } = this;
    return { batches, logs, documents, tableFetches, mostPending };
  }
}

export class Outbound extends WorkerEntrypoint {
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const left = Number(url.searchParams.get("redirects") ?? 0);
    if (left > 0) {
      url.searchParams.set("redirects", String(left - 1));
      return Response.redirect(url.href, 302);
    }
    if (url.pathname === "/slow") await scheduler.wait(20);
    if (url.pathname === "/lost") throw new Error("Network connection lost.");
    if (url.pathname === "/headers") {
      return Response.json([request.headers.get("user-agent"), request.headers.get("accept")]);
    }
    if (url.pathname === "/never") await scheduler.wait(30_000);
    return Response.json({ method: request.method, path: url.pathname, body: await request.text() });
  }
}

export default {
  async fetch(
    request: Request,
    env: Env,
    ctx: { readonly exports: { Outbound(options: object): unknown } },
  ): Promise<Response> {
    const path = new URL(request.url).pathname;
    if (path === "/logs") return Response.json(hosts.get(request.headers.get("x-host") ?? "")?.logs ?? null);
    const load = JSON.parse(decodeURIComponent(request.headers.get("x-load") ?? "null")) as LoadRequest | null;
    const body = load === null ? ((await request.json()) as { load: LoadRequest; payload: Json }) : null;
    const code = load ?? body?.load;
    if (code === undefined) return new Response("no code", { status: 400 });
    if (code.modules !== undefined) loaded.set(code.id, code);
    const { modules, env: isolateEnv, network } = loaded.get(code.id) ?? code;
    const harness = env.LOADER.get(code.id, () => ({
      mainModule: "main.js",
      modules,
      env: isolateEnv,
      compatibilityDate: "2026-11-01",
      compatibilityFlags: ["nodejs_als"],
      globalOutbound: network ? ctx.exports.Outbound({}) : null,
    })).getEntrypoint("Harness");
    if (path === "/analyze") return new Response(await harness.analyze(JSON.stringify(body?.payload)));
    if (path === "/serve") {
      const run = JSON.parse(decodeURIComponent(request.headers.get("x-run") ?? "null")) as RunRequest;
      const host = new Host(run, harness);
      hosts.set(String(run.invocation["requestId"]), host);
      const headers = new Headers(request.headers);
      for (const name of ["x-load", "x-run", "x-url"]) headers.delete(name);
      const forwarded = new Request(request.headers.get("x-url") ?? request.url, {
        method: request.method,
        headers,
        body: request.body,
      });
      return asResponse(await harness.serve(JSON.stringify(run.invocation), forwarded, host), host);
    }
    const runs = body?.payload as RunRequest[];
    const reports = await Promise.all(
      runs.map(async (run): Promise<RunReport> => {
        const host = new Host(run, harness);
        try {
          const result = JSON.parse(await harness.run(JSON.stringify(run.invocation), host)) as unknown;
          return { ...host.report(), result };
        } catch (error) {
          return { ...host.report(), thrown: (error as Error).message };
        }
      }),
    );
    return Response.json(reports);
  },
};

/** Which of its forms the answer had is said in a header. */
function asResponse(answer: string | Uint8Array<ArrayBuffer> | Response, host: Host): Response {
  const init = (form: string) => ({ headers: { "x-form": form } });
  if (typeof answer === "string") return new Response(answer, init("failed"));
  if (answer instanceof Response) return answer;
  const { head, bytes } = unframe(answer);
  const { status, headers, body, logs } = JSON.parse(head) as ResponseHead;
  host.logs.push(...logs);
  const named = new Headers(headersInit(headers));
  named.set("x-form", "whole");
  return new Response(body ? bytes : null, { status, headers: named });
}

const loaded = new Map<string, LoadRequest>();
