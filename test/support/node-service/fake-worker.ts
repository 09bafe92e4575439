import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { nodeSyscallRequest, type NodeSyscallRequest } from "../../../src/protocol/node-actions.ts";
import { sha256 } from "../../../src/signing/content-digest.ts";
import type { SigningKeys } from "../../../src/signing/keys.ts";
import { MemoryNonceStore } from "../../../src/signing/nonces.ts";
import { SignatureRefusedError, verifyRequest } from "../../../src/signing/verify.ts";
import { portOf } from "./port-of.ts";

/** Answers a syscall: a JSON value is its result, `status` an answer of that status, `drop` a connection cut off. */
export type Answer =
  | { readonly result: unknown }
  | { readonly message: string; readonly data?: string }
  | { readonly status: number }
  | "drop";

export type OnSyscall = (request: NodeSyscallRequest) => Answer | Promise<Answer>;

/** The Worker's side of the protocol: packages and syscalls, for signed requests only. */
export class FakeWorker {
  readonly syscalls: NodeSyscallRequest[] = [];
  readonly packages = new Map<string, Uint8Array>();
  /** Files by storage id, with the type they were sent with. */
  readonly files = new Map<string, { readonly type: string; readonly bytes: Buffer; readonly digest: string | null }>();
  packageRequests = 0;
  onSyscall: OnSyscall = () => ({ result: null });
  readonly #server: Server;
  readonly #nonces = new MemoryNonceStore(100_000);
  readonly #keys: SigningKeys;

  private constructor(keys: SigningKeys) {
    this.#keys = keys;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(keys: SigningKeys): Promise<FakeWorker> {
    const worker = new FakeWorker(keys);
    await new Promise<void>((resolve) => worker.#server.listen(0, "127.0.0.1", resolve));
    return worker;
  }

  get url(): string {
    return `http://127.0.0.1:${portOf(this.#server)}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const url = new URL(request.url ?? "/", this.url);
    if (url.pathname.startsWith("/files/")) return this.#file(request, response, url, body);
    try {
      const received = {
        direction: "to-worker",
        method: request.method ?? "",
        target: request.url ?? "",
        header: (name: string) => {
          const value = request.headers[name];
          return typeof value === "string" ? value : undefined;
        },
      } as const;
      await verifyRequest(received, await sha256(body), this.#keys, this.#nonces, Date, { clockSkewMs: 60_000 });
    } catch (error) {
      if (!(error instanceof SignatureRefusedError)) throw error;
      response.writeHead(401).end();
      return;
    }
    if (url.pathname.startsWith("/api/node/packages/")) {
      this.packageRequests++;
      const zip = this.packages.get(url.pathname.slice("/api/node/packages/".length));
      if (zip === undefined) response.writeHead(404).end();
      else response.end(zip);
    } else {
      await this.#syscall(nodeSyscallRequest.parse(JSON.parse(body.toString())), response);
    }
  }

  async #syscall(request: NodeSyscallRequest, response: ServerResponse): Promise<void> {
    this.syscalls.push(request);
    const answer = await this.onSyscall(request);
    if (answer === "drop") response.destroy();
    else if ("status" in answer) response.writeHead(answer.status).end("no");
    else if ("result" in answer) response.end(JSON.stringify({ ok: true, result: JSON.stringify(answer.result) }));
    else response.end(JSON.stringify({ ok: false, ...answer }));
  }

  #file(request: IncomingMessage, response: ServerResponse, url: URL, body: Buffer): void {
    const id = url.pathname.slice("/files/".length);
    if (request.method === "POST") {
      const digest = request.headers["digest"];
      this.files.set(id, {
        type: request.headers["content-type"] ?? "",
        bytes: body,
        digest: typeof digest === "string" ? digest : null,
      });
      response.end(JSON.stringify({ storageId: id }));
      return;
    }
    const file = this.files.get(id);
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": file.type }).end(file.bytes);
  }
}
