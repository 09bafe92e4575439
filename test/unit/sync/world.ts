import { keyInterval } from "../../../src/engine/index-key.ts";
import { OutOfRetentionError } from "../../../src/engine/persistence.ts";
import type { FunctionCall, FunctionOutcome, MutationCall } from "../../../src/protocol/execution.ts";
import type { Identity } from "../../../src/protocol/identity.ts";
import type { PushedTransaction } from "../../../src/protocol/sync-calls.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import type { Closing } from "../../../src/sync/closing.ts";
import type { Connection, ExecutedQuery, ShardParts } from "../../../src/sync/ports.ts";
import { Shard } from "../../../src/sync/shard.ts";
import type { Frame, Modification, Transition } from "../../support/raw-socket.ts";
import { decodeTs } from "../../support/raw-socket.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";

/**
 * A shard on a database of numbered cells, where everything that takes time waits until the test lets it go on, in
 * any order. Checks of every Transition what a client relies on: the chain, and that all values are of its timestamp.
 */
export class World {
  readonly random: SeededRandom;
  /** A test may put another in its place, as an eviction does. */
  shard: Shard;
  /** Newest last. */
  readonly commits: { readonly ts: number; readonly cell: number; readonly value: string }[] = [];
  readonly applied = new Map<string, number>();
  readonly answers = new Map<string, FunctionOutcome>();
  /** Work that may be let go on. */
  readonly pending: (() => void)[] = [];
  /** Pushes go in order. */
  readonly pushes: (() => void)[] = [];
  queryRuns = 0;
  now = 1_000_000;
  ts = 1000;
  /** The pushes of commits that never arrive. */
  lostPushes = 0;
  /** Neither the log nor a snapshot goes back further. */
  retainedFrom = 0;

  constructor(random: SeededRandom) {
    this.random = random;
    this.shard = new Shard(this.parts());
  }

  parts(): ShardParts {
    let id = 0;
    return {
      functions: {
        runQuery: (call, at, journal) => this.later(() => this.#query(call, at, journal)),
        runMutation: (call) => this.later(() => this.#mutate(call)),
        runAction: (call) => this.later(() => ({ ok: true, value: call.args, logLines: [] })),
        authenticate: (credentials) =>
          this.later((): Identity => {
            if (credentials.kind !== "token") return { kind: "none" };
            if (credentials.token === "bad") throw new CodedError("Unauthenticated", "InvalidAuthHeader", "bad token");
            if (credentials.token === "down") throw new CodedError("Overloaded", "ProviderDown", "later");
            return {
              kind: "user",
              attributes: { subject: credentials.token },
              token: credentials.token,
              expiresAt: credentials.token === "short" ? this.now + 10 : this.now + 1e9,
            };
          }),
      },
      history: {
        head: () => this.later(() => this.ts),
        log: (after, limit) =>
          this.later(() => {
            if (after < this.retainedFrom) throw new OutOfRetentionError(`nothing is kept of ${after}`);
            return this.commits
              .filter(({ ts }) => ts > after)
              .slice(0, limit)
              .map(transactionOf);
          }),
      },
      clock: { now: () => this.now },
      timers: {
        after: (_ms, callback) => {
          this.pending.push(callback);
          return () => {
            const at = this.pending.indexOf(callback);
            if (at >= 0) this.pending.splice(at, 1);
          };
        },
      },
      log: { info: () => {}, warn: () => {}, error: (event, error) => console.error(event, error) },
      redactErrors: false,
      bufferBytes: 1e9,
      digest: (text) => text,
      newRequestId: () => String(++id).padStart(16, "0"),
    };
  }

  /** Done at one moment, and the answer arrives at another: others may overtake it. */
  later<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.pending.push(() => {
        let answer: () => void;
        try {
          const value = work();
          answer = () => resolve(value);
        } catch (error) {
          answer = () => reject(error instanceof Error ? error : new Error(String(error)));
        }
        this.pending.push(answer);
      });
    });
  }

  /** Lets one waiting thing go on. False: nothing waits. */
  async step(): Promise<boolean> {
    const choices = this.pending.length + (this.pushes.length > 0 ? 1 : 0);
    if (choices === 0) return false;
    const pick = this.random.below(choices);
    const [go] = pick < this.pending.length ? this.pending.splice(pick, 1) : this.pushes.splice(0, 1);
    go?.();
    // Whatever follows from it at once.
    for (let i = 0; i < 20; i++) await Promise.resolve();
    return true;
  }

  async settle(): Promise<void> {
    while (await this.step());
  }

  valueAt(cell: number, ts: number): string {
    return this.commits.findLast((commit) => commit.cell === cell && commit.ts <= ts)?.value ?? "";
  }

  write(cell: number, value: string): number {
    const previous = this.ts;
    this.ts += 1 + this.random.below(5);
    const commit = { ts: this.ts, cell, value };
    this.commits.push(commit);
    if (this.lostPushes > 0) this.lostPushes -= 1;
    else {
      this.pushes.push(() =>
        this.shard.committed({ v: 1, previous, transactions: [transactionOf(commit)], ts: commit.ts }),
      );
    }
    return this.ts;
  }

  /**
   * `cells:get` of `[{cells}]`; `cells:who` reads the identity too; `cells:odd` fails while its cell is empty;
   * `cells:page` tells its journal, which its first run makes.
   */
  #query({ path, args, identity }: FunctionCall, at: number, sent: string | null): ExecutedQuery {
    this.queryRuns += 1;
    if (at > this.ts) throw new Error("a snapshot of the future");
    if (at < this.retainedFrom) throw new CodedError("OutOfRetention", "OutOfRetention", `nothing is kept of ${at}`);
    const [{ cells }] = JSON.parse(args) as [{ cells: number[] }];
    const values = cells.map((cell) => this.valueAt(cell, at));
    const reads = [["cells", cells.map((cell) => keyInterval(cellKey(cell)))]] as const;
    const readsIdentity = path.function === "who";
    const journal = path.function === "page" ? (sent ?? `page of ${at}`) : null;
    const noted = [...(readsIdentity ? [nameOf(identity)] : []), ...(journal === null ? [] : [journal])];
    const outcome: FunctionOutcome =
      path.function === "odd" && values[0] === ""
        ? { ok: false, error: { message: "empty" }, logLines: [] }
        : { ok: true, value: JSON.stringify([...noted, ...values]), logLines: [], journal };
    return { outcome, reads, readsIdentity };
  }

  /** `[{cell, value}]`. */
  #mutate({ args, idempotency, path }: MutationCall): FunctionOutcome {
    const key = idempotency === null ? null : `${idempotency.sessionId} ${idempotency.requestId}`;
    const recorded = key === null ? undefined : this.answers.get(key);
    if (recorded !== undefined) return recorded;
    if (path.function === "fail") return { ok: false, error: { message: "failed" }, logLines: [] };
    const [{ cell, value }] = JSON.parse(args) as [{ cell: number; value: string }];
    const ts = this.write(cell, value);
    this.applied.set(value, (this.applied.get(value) ?? 0) + 1);
    const outcome: FunctionOutcome = { ok: true, value: JSON.stringify(value), logLines: [], ts };
    if (key !== null) this.answers.set(key, outcome);
    return outcome;
  }
}

export function nameOf(identity: Identity): string {
  return identity.kind === "user" ? JSON.stringify(identity.attributes["subject"]).slice(1, -1) : "nobody";
}

function cellKey(cell: number): string {
  return cell.toString(16).toUpperCase().padStart(4, "0");
}

function transactionOf({ ts, cell }: { readonly ts: number; readonly cell: number }): PushedTransaction {
  return { ts, keys: [["cells", cellKey(cell)]] };
}

/** The client's end of a socket, as npm clients follow it. */
export class FakeClient implements Connection {
  readonly ip = null;
  readonly userAgent = null;
  readonly chunks = true;
  readonly frames: Frame[] = [];
  readonly shown = new Map<number, Modification>();
  version = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };
  closing: Closing | null = null;
  behind = 0;
  problem: string | null = null;
  /** Of the last mutation that was answered, until a Transition at or after it follows (microseconds). */
  owed: number | null = null;
  readonly #onTransition: (transition: Transition) => void;

  constructor(onTransition: (transition: Transition) => void = () => {}) {
    this.#onTransition = onTransition;
  }

  send(text: string): void {
    const frame = JSON.parse(text) as Frame;
    this.frames.push(frame);
    if (frame.type === "MutationResponse" && frame["success"] === true) {
      this.owed = Number(decodeTs(frame["ts"]) / 1000n);
    }
    if (frame.type !== "Transition") return;
    const transition = frame as Transition;
    const { startVersion, endVersion, modifications } = transition;
    if (JSON.stringify(startVersion) !== JSON.stringify(this.version)) this.problem ??= `broken chain: ${text}`;
    if (decodeTs(endVersion.ts) < decodeTs(startVersion.ts)) this.problem ??= `went back: ${text}`;
    this.version = endVersion;
    if (this.owed !== null && this.ts >= this.owed) this.owed = null;
    for (const modification of modifications) {
      if (modification.type === "QueryRemoved") this.shown.delete(modification.queryId);
      else this.shown.set(modification.queryId, modification);
    }
    this.#onTransition(transition);
  }

  close(closing: Closing): void {
    this.closing = closing;
  }

  buffered(): number {
    return this.behind;
  }

  /** Microseconds. */
  get ts(): number {
    return Number(decodeTs(this.version.ts) / 1000n);
  }
}
