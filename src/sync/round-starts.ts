import { INTERNAL_ERROR, type Closing, TOO_SLOW } from "./closing.ts";
import type { Client } from "./client.ts";
import type { CommitFollower } from "./commit-follower.ts";
import type { ShardParts } from "./ports.ts";
import { SlowReaders } from "./slow-readers.ts";

/** How long the push of a commit may be behind the answer to its mutation before the commit log is asked. */
const PUSH_DELAY_MS = 50;

/** After the database could not be read. */
const RETRY_MS = 500;

interface StartParts extends Pick<ShardParts, "clock" | "timers" | "log"> {
  readonly commits: CommitFollower<Client>;
  readonly connected: (client: Client) => boolean;
  readonly begin: (client: Client, ts: number) => void;
  readonly end: (client: Client, closing: Closing) => void;
}

/**
 * When a client's next round begins: not before commits that it knows of have arrived, and not while it lags.
 *
 *     wants an update ─► lags? poll ─► head needed? read it ─► knows more than we do? wait for the push ─► begin
 */
export class RoundStarts {
  readonly #parts: StartParts;
  /** Clients that have been told of commits which have not arrived here. */
  readonly #behind = new Set<Client>();
  #behindTimer = false;
  readonly #slow: SlowReaders;

  constructor(parts: StartParts) {
    this.#parts = parts;
    const { clock, timers } = parts;
    this.#slow = new SlowReaders({ clock, timers, again: (client) => this.update(client) });
  }

  /** Nobody waits to begin. */
  get idle(): boolean {
    return this.#behind.size === 0 && this.#slow.size === 0;
  }

  /** Begins a round if the client wants one and can take it; else sees to it that one begins later. */
  update(client: Client): void {
    const { session } = client;
    if (client.freshening || !this.#isWanted(client)) return;
    const pace = this.#slow.pace(client);
    if (pace === "given up") this.#parts.end(client, TOO_SLOW);
    if (pace !== "reads") return;
    const { ts } = this.#parts.commits;
    if (ts === null || session.needsHead) this.#freshen(client);
    else this.#beginAt(client, ts);
  }

  /** Commits have arrived. */
  advanced(): void {
    const ts = this.#parts.commits.ts ?? 0;
    for (const client of this.#behind) {
      if (client.session.minTs > ts) continue;
      this.#behind.delete(client);
      this.update(client);
    }
  }

  forget(client: Client): void {
    this.#behind.delete(client);
    this.#slow.forget(client);
  }

  #isWanted(client: Client): boolean {
    return client.session.wantsUpdate && client.round === null && this.#parts.connected(client);
  }

  #beginAt(client: Client, ts: number): void {
    if (client.session.minTs > ts) this.#waitForPush(client);
    else this.#parts.begin(client, ts);
  }

  /** Reads the head before the round: what was acknowledged anywhere before the client asked must be seen. */
  #freshen(client: Client): void {
    const { commits, log, timers, end } = this.#parts;
    const seen = client.session.minTs;
    client.freshening = true;
    commits.refresh().then(
      () => {
        client.freshening = false;
        if (!this.#isWanted(client)) return;
        const { ts } = commits;
        if (ts === null) throw new Error("the head was read and is not known");
        // It has seen commits that are not there: it must not travel back in time.
        if (seen > ts) end(client, INTERNAL_ERROR);
        // What it was told while the head was being read may be newer than that.
        else this.#beginAt(client, ts);
      },
      (error: unknown) => {
        log.warn("sync.head", { reason: String(error) });
        timers.after(RETRY_MS, () => {
          client.freshening = false;
          this.update(client);
        });
      },
    );
  }

  #waitForPush(client: Client): void {
    this.#behind.add(client);
    if (this.#behindTimer) return;
    this.#behindTimer = true;
    this.#parts.timers.after(PUSH_DELAY_MS, () => {
      this.#behindTimer = false;
      const waiting = [...this.#behind];
      this.#behind.clear();
      for (const behind of waiting) {
        if (behind.round === null && !behind.freshening && behind.session.wantsUpdate) this.#freshen(behind);
      }
    });
  }
}
