import { STREAM_CLEANUP, STREAM_PAGE, type SyscallRequest, type SyscallResponse } from "../../protocol/invocation.ts";
import type { JsonValue } from "../../shared/json.ts";
import { QueryStream } from "./query-stream.ts";
import { parseResponses, rejection, type Settle } from "./syscall-response.ts";

/** Operations after which rows fetched ahead are still what a fresh read would show. */
const READS: ReadonlySet<string> = new Set([
  "1.0/get",
  "1.0/queryPage",
  "1.0/count",
  "1.0/getTransactionMetrics",
  "1.0/getFunctionMetadata",
  "1.0/getDeploymentMetadata",
  "1.0/getRequestMetadata",
  "1.0/getUserIdentity",
  "1.0/storageGetUrl",
  "1.0/storageGetMetadata",
  "1.0/createFunctionHandle",
  "1.0/auditLog",
]);

const NOT_FOUND = Symbol("not found");

/** One message must stay below the platform's 32 MiB. Characters. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;

type Entry =
  | { readonly kind: "syscall"; readonly op: string; readonly args: string; readonly settle: Settle }
  | { readonly kind: "next"; readonly stream: QueryStream; readonly settle: Settle }
  | { readonly kind: "cleanup"; readonly stream: QueryStream };

/** How to answer an entry of the batch once the responses are there. */
type Delivery =
  | { readonly kind: "ready"; readonly settle: Settle; readonly result: string }
  | { readonly kind: "notFound"; readonly settle: Settle }
  | { readonly kind: "response"; readonly settle: Settle; readonly index: number }
  | { readonly kind: "row"; readonly entry: Extract<Entry, { kind: "next" }> };

interface Page {
  readonly index: number;
  waiting: number;
  /** A write follows the page in the same batch. */
  stale: boolean;
}

/**
 * Async syscalls of a query or mutation: one queue, first in, first out. One batch is under way at a time, and its
 * results are delivered in request order, so effects happen in the order of the calls even without `await`
 * (`abi.md` §2.1.5).
 */
export class OrderedSyscalls {
  readonly #send: (batch: string) => Promise<string>;
  readonly #enqueued: () => void;
  readonly #streams = new Map<number, QueryStream>();
  #queue: Entry[] = [];
  #nextQueryId = 0;
  #sending = false;

  constructor(send: (batch: string) => Promise<string>, enqueued: () => void) {
    this.#send = send;
    this.#enqueued = enqueued;
  }

  get pending(): boolean {
    return this.#queue.length > 0;
  }

  call(op: string, args: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle: Settle = { resolve, reject };
      if (op !== "1.0/queryStreamNext") {
        this.#queue.push({ kind: "syscall", op, args, settle });
      } else {
        const stream = this.#streams.get(queryIdOf(args));
        if (stream === undefined) {
          reject(queryNotFound());
          return;
        }
        // Nothing is ahead of it: a row at hand needs no turn in the queue.
        const item = this.#sending || this.pending || stream.ended ? undefined : stream.take();
        if (item !== undefined) {
          if (item.done) this.#streams.delete(stream.queryId);
          resolve(JSON.stringify(item));
          return;
        }
        this.#queue.push({ kind: "next", stream, settle });
      }
      this.#enqueued();
    });
  }

  openStream(query: JsonValue): number {
    const queryId = this.#nextQueryId++;
    this.#streams.set(queryId, new QueryStream(queryId, query));
    return queryId;
  }

  /** True when the stream was live. */
  closeStream(queryId: number): boolean {
    const stream = this.#streams.get(queryId);
    if (stream === undefined) return false;
    this.#streams.delete(queryId);
    if (stream.needsCleanup) {
      this.#queue.push({ kind: "cleanup", stream });
      this.#enqueued();
    }
    return true;
  }

  /** Sends the head of the queue and delivers its results. Never called while a batch is under way. */
  async runBatch(): Promise<void> {
    const { requests, deliveries, pages } = this.#takeBatch();
    this.#sending = true;
    const responses =
      requests.length === 0 ? [] : parseResponses(await this.#send(JSON.stringify(requests)), requests.length);
    for (const [stream, page] of pages) acceptPage(stream, responses[page.index]);
    const unserved: Entry[] = [];
    for (const delivery of deliveries) {
      switch (delivery.kind) {
        case "ready":
          delivery.settle.resolve(delivery.result);
          break;
        case "notFound":
          delivery.settle.reject(queryNotFound());
          break;
        case "response":
          answer(delivery.settle, responses[delivery.index]);
          break;
        case "row":
          this.#deliverRow(delivery.entry, responses[pages.get(delivery.entry.stream)?.index ?? -1], unserved);
          break;
        default:
          delivery satisfies never;
      }
    }
    for (const [stream, page] of pages) if (page.stale) stream.dropUntaken();
    this.#sending = false;
    if (unserved.length > 0) this.#queue = [...unserved, ...this.#queue];
  }

  #takeBatch(): { requests: SyscallRequest[]; deliveries: Delivery[]; pages: Map<QueryStream, Page> } {
    const requests: SyscallRequest[] = [];
    const deliveries: Delivery[] = [];
    const pages = new Map<QueryStream, Page>();
    const pageRequests: { readonly stream: QueryStream; readonly page: Page }[] = [];
    let characters = 0;
    let taken = 0;
    for (const entry of this.#queue) {
      if (characters > BATCH_CHARACTERS) break;
      if (entry.kind === "next") {
        const page = pages.get(entry.stream);
        // How many rows of the page are taken is not known yet: the read behind the write waits for the next batch.
        if (page?.stale === true) break;
        if (page !== undefined) {
          page.waiting++;
          deliveries.push({ kind: "row", entry });
        } else {
          const item = entry.stream.ended ? NOT_FOUND : entry.stream.take();
          if (item === undefined) {
            const opened: Page = { index: requests.length, waiting: 1, stale: false };
            pages.set(entry.stream, opened);
            pageRequests.push({ stream: entry.stream, page: opened });
            requests.push([STREAM_PAGE, ""]);
            deliveries.push({ kind: "row", entry });
          } else if (item === NOT_FOUND) {
            deliveries.push({ kind: "notFound", settle: entry.settle });
          } else {
            if (item.done) this.#streams.delete(entry.stream.queryId);
            deliveries.push({ kind: "ready", settle: entry.settle, result: JSON.stringify(item) });
          }
        }
      } else if (entry.kind === "cleanup") {
        // Rows of a page in this batch may still be handed out before the stream ends.
        if (pages.has(entry.stream)) break;
        requests.push([
          STREAM_CLEANUP,
          JSON.stringify({ queryId: entry.stream.queryId, consumed: entry.stream.taken }),
        ]);
      } else {
        characters += entry.args.length;
        deliveries.push({ kind: "response", settle: entry.settle, index: requests.length });
        requests.push([entry.op, entry.args]);
        if (!READS.has(entry.op)) this.#invalidate(pages);
      }
      taken++;
    }
    this.#queue = this.#queue.slice(taken);
    for (const { stream, page } of pageRequests) requests[page.index] = [STREAM_PAGE, stream.nextPage(page.waiting)];
    return { requests, deliveries, pages };
  }

  #invalidate(pages: ReadonlyMap<QueryStream, Page>): void {
    for (const stream of this.#streams.values()) {
      const page = pages.get(stream);
      if (page === undefined) stream.dropUntaken();
      else page.stale = true;
    }
  }

  #deliverRow(entry: Extract<Entry, { kind: "next" }>, response: SyscallResponse | undefined, unserved: Entry[]): void {
    if (response?.ok !== true) {
      answer(entry.settle, response);
      return;
    }
    if (entry.stream.ended) {
      entry.settle.reject(queryNotFound());
      return;
    }
    const item = entry.stream.take();
    if (item === undefined) {
      unserved.push(entry);
      return;
    }
    if (item.done) this.#streams.delete(entry.stream.queryId);
    entry.settle.resolve(JSON.stringify(item));
  }
}

function queryNotFound(): Error {
  return new Error("in-progress query not found");
}

function queryIdOf(args: string): number {
  const parsed: unknown = JSON.parse(args);
  return typeof parsed === "object" && parsed !== null && "queryId" in parsed ? Number(parsed.queryId) : -1;
}

function acceptPage(stream: QueryStream, response: SyscallResponse | undefined): void {
  if (response?.ok !== true) return;
  const { rows, done } = JSON.parse(response.result) as { rows: readonly JsonValue[]; done: boolean };
  stream.pageArrived(rows, done);
}

function answer(settle: Settle, response: SyscallResponse | undefined): void {
  if (response === undefined) settle.reject(new Error("The host did not answer."));
  else if (response.ok) settle.resolve(response.result);
  else settle.reject(rejection(response));
}
