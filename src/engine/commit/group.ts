import type {
  CatalogChange,
  CommitBatch,
  DocumentVersion,
  DueChange,
  Head,
  IndexEntry,
  LoggedTransaction,
  RecordedOutcome,
} from "../persistence.ts";
import type { IndexKey } from "../names.ts";
import type { Timestamp } from "../timestamp.ts";
import type { DocumentWrite } from "../write-set.ts";

/** What one decided transaction adds to its group. */
export interface GroupMember {
  readonly ts: Timestamp;
  readonly documents: readonly DocumentWrite[];
  readonly entries: readonly IndexEntry[];
  readonly due: readonly DueChange[];
  readonly keys: LoggedTransaction["keys"];
  readonly outcome: RecordedOutcome | null;
  readonly catalog: CatalogChange | null;
  readonly bytes: number;
}

/**
 * Transactions that become durable together. What one of them supersedes of another's is left out of the batch:
 * no snapshot can fall between them.
 */
export class Group {
  readonly #documents = new Map<string, { version: DocumentVersion; readonly existed: boolean }>();
  readonly #entries = new Map<string, IndexEntry>();
  readonly #due = new Map<string, DueChange>();
  readonly #transactions: LoggedTransaction[] = [];
  readonly #outcomes: RecordedOutcome[] = [];
  #catalog: CatalogChange | null = null;
  #bytes = 0;
  #ts: Timestamp | null = null;
  /** Resolves when the group is stored. Rejects when it is known not to be, or when nobody should wait any longer. */
  readonly acknowledged: Promise<void>;
  readonly acknowledge: () => void;
  readonly refuse: (error: unknown) => void;
  /** Settles when the fate of the group is known: true if it is stored. */
  readonly fate: Promise<boolean>;
  readonly settle: (stored: boolean) => void;

  constructor() {
    const acknowledged = Promise.withResolvers<void>();
    const fate = Promise.withResolvers<boolean>();
    this.acknowledged = acknowledged.promise;
    this.acknowledge = acknowledged.resolve;
    this.refuse = acknowledged.reject;
    this.fate = fate.promise;
    this.settle = fate.resolve;
    // Whoever waits sees the refusal; a group that nobody waits for must not look like an unhandled one.
    this.acknowledged.catch(() => undefined);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#transactions.length;
  }

  /** Timestamp of the newest member. */
  get ts(): Timestamp | null {
    return this.#ts;
  }

  /** A catalog change ends its group, so that its own timestamp becomes the head's. */
  get closed(): boolean {
    return this.#catalog !== null;
  }

  get transactions(): readonly LoggedTransaction[] {
    return this.#transactions;
  }

  /** Keys that the group adds to the queue of jobs. */
  get addedDue(): readonly IndexKey[] {
    return [...this.#due.values()].filter(({ added }) => added).map(({ key }) => key);
  }

  add(member: GroupMember): void {
    this.#ts = member.ts;
    this.#bytes += member.bytes;
    this.#catalog = member.catalog;
    this.#transactions.push({ ts: member.ts, keys: member.keys });
    if (member.outcome !== null) this.#outcomes.push(member.outcome);
    for (const write of member.documents) this.#addDocument(write, member.ts);
    for (const entry of member.entries) this.#addEntry(entry);
    for (const change of member.due) this.#addDue(change);
  }

  batch(expected: Pick<Head, "ts" | "writer">, writer: string): CommitBatch {
    if (this.#ts === null) throw new Error("An empty group has no batch");
    return {
      expected,
      ts: this.#ts,
      writer,
      documents: Array.from(this.#documents.values(), ({ version }) => version),
      entries: [...this.#entries.values()],
      transactions: this.#transactions,
      outcomes: this.#outcomes,
      catalog: this.#catalog,
      due: [...this.#due.values()],
    };
  }

  #addDocument(write: DocumentWrite, ts: Timestamp): void {
    const key = `${write.tableId}:${write.id}`;
    const present = this.#documents.get(key);
    const existed = present?.existed ?? write.before !== null;
    if (write.after === null && !existed) {
      // Came and went inside the group.
      this.#documents.delete(key);
      return;
    }
    const version: DocumentVersion = {
      tableId: write.tableId,
      id: write.id,
      ts,
      document: write.after === null ? null : { json: write.after.json, size: write.after.size },
      supersedes: existed,
    };
    if (present === undefined) this.#documents.set(key, { version, existed });
    else present.version = version;
  }

  /** Changes of one key alternate between coming and going, so an even number of them is none. */
  #addEntry(entry: IndexEntry): void {
    const key = `${entry.indexId}:${entry.key}`;
    const present = this.#entries.get(key);
    if (present === undefined) this.#entries.set(key, entry);
    else if (present.deleted === entry.deleted) throw new Error(`Index key ${key} was changed twice the same way`);
    else this.#entries.delete(key);
  }

  /** A job that came and went inside the group, or went and came back, changes nothing. */
  #addDue(change: DueChange): void {
    const present = this.#due.get(change.key);
    if (present === undefined) this.#due.set(change.key, change);
    else if (present.added !== change.added) this.#due.delete(change.key);
  }
}
