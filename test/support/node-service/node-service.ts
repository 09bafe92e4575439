import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, chmodSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  executeEvent,
  nodeServiceError,
  type ExecuteEvent,
  type ExecuteRequest,
  type NodeServiceError,
} from "../../../src/protocol/node-actions.ts";
import type { SigningKey } from "../../../src/signing/keys.ts";
import { signRequest } from "../../../src/signing/sign.ts";
import { ROOT } from "../paths.ts";
import { keyOf, keysOf } from "../signed-request.ts";
import { Spawned } from "../spawned.ts";
import type { CodePackage } from "./code-package.ts";
import { FakeWorker } from "./fake-worker.ts";

export const MIB = 1024 * 1024;

/** Overrides of what a test's request holds. */
export interface Call {
  readonly function: string;
  readonly module?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly package?: CodePackage;
  readonly externals?: ExecuteRequest["package"]["externals"];
  readonly nodeVersion?: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly limits?: Partial<ExecuteRequest["limits"]>;
  readonly executionId?: string;
  readonly localAnswers?: Readonly<Record<string, string>>;
}

export type Outcome =
  | { readonly kind: "result"; readonly result: Result; readonly events: readonly ExecuteEvent[] }
  | { readonly kind: "refused"; readonly status: number; readonly error: NodeServiceError }
  | { readonly kind: "broken"; readonly events: readonly ExecuteEvent[] };

type Result = Extract<ExecuteEvent, { kind: "result" }>["result"];

const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };

/** The real service beside a Worker that the test plays. */
export class NodeService {
  readonly worker: FakeWorker;
  readonly directory: string;
  readonly keysFile: string;
  readonly key: SigningKey;
  spawned: Spawned;
  url = "";
  #settings: Readonly<Record<string, string>>;

  private constructor(worker: FakeWorker, key: SigningKey, settings: Readonly<Record<string, string>>) {
    this.worker = worker;
    this.key = key;
    this.directory = mkdtempSync(join(tmpdir(), "node-service-"));
    // Whoever runs user code may look into the cache.
    chmodSync(this.directory, 0o755);
    this.keysFile = join(this.directory, "keys.json");
    writeFileSync(this.keysFile, JSON.stringify([keyOf("a")]), { mode: 0o600 });
    this.#settings = settings;
    this.spawned = this.#spawn();
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<NodeService> {
    const keys = await keysOf("a");
    const service = new NodeService(await FakeWorker.start(await keysOf("a", "b")), keys.signing, settings);
    await service.#listening();
    return service;
  }

  get cache(): string {
    return join(this.directory, "cache");
  }

  /** Ends the process if it still runs and starts another one on the same data. */
  async restart(settings: Readonly<Record<string, string>> = this.#settings): Promise<void> {
    await this.spawned.kill();
    this.#settings = settings;
    // Signatures of the second in which it starts are accepted: they have no fractions.
    this.spawned = this.#spawn();
    await this.#listening();
  }

  async close(): Promise<void> {
    await this.spawned.kill();
    await this.worker.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** JSON text of a request for `/execute`. */
  request(call: Call): ExecuteRequest {
    if (call.package !== undefined) this.worker.packages.set(call.package.hash, call.package.zip);
    const hash = call.package?.hash ?? "0".repeat(64);
    return {
      v: 1,
      executionId: call.executionId ?? randomUUID(),
      package: {
        hash,
        bytes: call.package?.zip.length ?? 0,
        url: `${this.worker.url}/api/node/packages/${hash}`,
        externals: [...(call.externals ?? [])],
        nodeVersion: call.nodeVersion ?? null,
      },
      module: call.module ?? "main.js",
      function: call.function,
      args: JSON.stringify([call.args ?? {}]),
      variables: { ...call.variables },
      requestId: "request",
      localAnswers: { ...call.localAnswers },
      callback: { url: `${this.worker.url}/api/node/syscall`, token: "sealed" },
      limits: {
        timeoutMs: 30_000,
        memoryBytes: 128 * MIB,
        concurrentOperations: 1000,
        logLines: 256,
        logBytes: MIB,
        logLineBytes: 32_768,
        returnBytes: 16 * MIB,
        notes: {},
        ...call.limits,
      },
    };
  }

  async execute(call: Call, signal?: AbortSignal): Promise<Outcome> {
    return this.outcome(await this.post("/execute", this.request(call), {}, signal));
  }

  /** The value of a call that must succeed. */
  async value(call: Call): Promise<unknown> {
    const outcome = await this.execute(call);
    if (outcome.kind !== "result" || !outcome.result.ok) throw new Error(JSON.stringify(outcome));
    return JSON.parse(outcome.result.value);
  }

  /** What a call that must fail says. */
  async failure(call: Call): Promise<Extract<Result, { ok: false }>["error"]> {
    const outcome = await this.execute(call);
    if (outcome.kind !== "result" || outcome.result.ok) throw new Error(JSON.stringify(outcome));
    return outcome.result.error;
  }

  /** A signed POST. `headers` replace those of the signature; undefined removes one. */
  async post(
    path: string,
    body: unknown,
    options: {
      readonly key?: SigningKey;
      readonly now?: number;
      readonly headers?: Readonly<Record<string, string | undefined>>;
      readonly sentBody?: string;
      readonly sentPath?: string;
      readonly sentMethod?: string;
    } = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const signed = await this.sign(path, text, options);
    const headers = Object.entries({ ...signed, ...options.headers }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    return fetch(this.url + (options.sentPath ?? path), {
      method: options.sentMethod ?? "POST",
      body: options.sentBody ?? text,
      headers,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Headers of a signed POST. */
  async sign(
    path: string,
    body: string,
    options: { readonly key?: SigningKey; readonly now?: number } = {},
  ): Promise<Record<string, string>> {
    const parts = { direction: "to-service", method: "POST", url: this.url + path, body: Buffer.from(body) } as const;
    const clock = { now: () => options.now ?? Date.now() };
    return { ...(await signRequest(parts, options.key ?? this.key, clock, random)) };
  }

  async outcome(response: Response): Promise<Outcome> {
    if (response.status !== 200) {
      return { kind: "refused", status: response.status, error: nodeServiceError.parse(await response.json()) };
    }
    const events: ExecuteEvent[] = [];
    try {
      for await (const event of eventsOf(response)) events.push(event);
    } catch {
      // The connection broke: what came before it is what there is.
    }
    const last = events.at(-1);
    if (last?.kind === "result") return { kind: "result", result: last.result, events };
    return { kind: "broken", events };
  }

  #spawn(): Spawned {
    const env = {
      ...networkOf(process.env),
      HOST_SECRET: "of the host",
      CONVECTION_NODE_PORT: "0",
      CONVECTION_NODE_KEYS_FILE: this.keysFile,
      CONVECTION_NODE_CACHE: this.cache,
      CONVECTION_NODE_PREWARMED: "1",
      CONVECTION_NODE_PREWARM_MEMORY_BYTES: String(128 * MIB),
      CONVECTION_NODE_CALLBACK_RETRY_MS: "10",
      ...this.#settings,
    };
    return new Spawned(process.execPath, [join(ROOT, "dist/node-actions.js")], { cwd: this.directory, env });
  }

  async #listening(): Promise<void> {
    const [, port = ""] = await this.spawned.until("stderr", /"listening".*"port":(\d+)/);
    this.url = `http://127.0.0.1:${port}`;
  }
}

export async function* eventsOf(response: Response): AsyncGenerator<ExecuteEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (chunk === undefined || chunk.done) return;
    const lines = (rest + decoder.decode(chunk.value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield executeEvent.parse(JSON.parse(line));
  }
}

/** What npm needs to reach its registry from this machine. */
function networkOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = /^(path|home|node_extra_ca_certs|ssl_cert_file|https?_proxy|no_proxy|npm_config_registry)$/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => names.test(name)));
}

/** Lines of the log as text. */
export function printed(outcome: Outcome): string[] {
  if (outcome.kind === "refused") throw new Error(JSON.stringify(outcome));
  return outcome.events.flatMap((event) =>
    event.kind === "log" ? event.lines.map(({ level, messages }) => `[${level}] ${messages.join(" ")}`) : [],
  );
}
