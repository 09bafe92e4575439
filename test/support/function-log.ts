import type { TestBackend } from "./backend.ts";

/** An entry as it is on the wire (`wire.md` §6.3). */
export type WireEntry = Readonly<Record<string, unknown>> & {
  readonly kind: "Completion" | "Progress";
  readonly identifier: string;
  readonly requestId: string;
};

export interface WireBatch {
  readonly entries: readonly WireEntry[];
  readonly newCursor: number;
}

/**
 * The function log from where it ends when this is called. Entries are collected behind the answers they belong to,
 * so whoever looks for one waits for it.
 */
export class FunctionLog {
  readonly #backend: TestBackend;
  readonly #client: string;
  #cursor: number;
  readonly seen: WireEntry[] = [];

  private constructor(backend: TestBackend, client: string, cursor: number) {
    this.#backend = backend;
    this.#client = client;
    this.#cursor = cursor;
  }

  static async open(backend: TestBackend, client = "npm-cli-1.48.0"): Promise<FunctionLog> {
    const { newCursor } = await readLog(backend, "stream_function_logs?cursor=0", client);
    return new FunctionLog(backend, client, newCursor);
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** Everything since this was opened, up to the entry that is looked for. */
  async until(found: (entry: WireEntry) => boolean): Promise<readonly WireEntry[]> {
    while (!this.seen.some(found)) {
      const query = `stream_function_logs?cursor=${this.#cursor}`;
      const { entries, newCursor } = await readLog(this.#backend, query, this.#client);
      this.seen.push(...entries);
      this.#cursor = newCursor;
    }
    return this.seen;
  }

  /** The completion of a function. */
  async completion(identifier: string): Promise<WireEntry> {
    const isIt = (entry: WireEntry) => entry.kind === "Completion" && entry.identifier === identifier;
    const entries = await this.until(isIt);
    const entry = entries.find(isIt);
    if (entry === undefined) throw new Error(`${identifier} was found and then not`);
    return entry;
  }
}

export async function readLog(backend: TestBackend, query: string, client: string): Promise<WireBatch> {
  const response = await fetch(`${backend.url}/api/${query}`, {
    headers: { authorization: `Convex ${backend.adminKey}`, "convex-client": client },
  });
  if (response.status !== 200) throw new Error(`The function log answers ${response.status}`);
  return response.json();
}
