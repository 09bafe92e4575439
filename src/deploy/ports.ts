import type { DerivedIndexes } from "../engine/derived-index.ts";
import type { CatalogChange, IndexDefinition, Persistence, TableRow } from "../engine/persistence.ts";
import type { ComponentPath, IndexId, IndexKey, InternalId, TableId } from "../engine/names.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { NodeCode, SchemaJson } from "../protocol/app.ts";
import type { AnalyzeRequest, AnalyzeResult, ThrownError } from "../protocol/invocation.ts";
import type { Clock } from "../shared/clock.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import type { Log } from "../shared/log.ts";
import type { Random } from "../shared/random.ts";
import type { ModuleSources } from "./module-sources.ts";
import type { CodeStore } from "./code-store.ts";
import type { EnvironmentCipher } from "./environment-cipher.ts";
import type { History } from "./history.ts";
import type { PushTokens } from "./push-token.ts";
import type { DeploySettings } from "./settings.ts";

/** Evaluates pushed code in an isolate that is thrown away afterwards. It gets no rights and no network. */
export interface Analyzer {
  /** `variables` is `process.env` while the modules are imported. */
  analyze(
    modules: ModuleSources,
    request: AnalyzeRequest,
    variables: Readonly<Record<string, string>>,
  ): Promise<AnalyzeResult>;

  /** Text of an error as the developer reads it: `Uncaught {name}: {message}`, then source-mapped frames. */
  describe(error: ThrownError, sourceMap: (module: string) => string | undefined): string;
}

/** A package of Node code and the major version of Node it asks for. */
export type PushedNodeCode = NodeCode & { readonly nodeVersion: string | null };

/** Evaluation of `"use node"` modules in the Node service. Throws `CodedError` when that can't be done. */
export interface NodeAnalyzer {
  /** `code` is stored already: the service fetches it. */
  analyze(
    code: PushedNodeCode,
    request: AnalyzeRequest & { readonly kind: "modules" },
    variables: Readonly<Record<string, string>>,
  ): Promise<AnalyzeResult>;
  /** Makes the service ready for the first call of this code. */
  prepare(code: PushedNodeCode): Promise<void>;
}

/** A change of the catalog, applied by the Transactor as one commit. */
export interface CatalogCommit {
  readonly change: CatalogChange;
  /** The catalog that the change was computed from. */
  readonly expectedCatalogTs: Timestamp;
  /**
   * Refuses the commit when a document of one of these tables was written after `ts`. What was checked up to `ts`
   * is then still true at the commit itself, with no moment between check and flip.
   */
  readonly unwrittenSince?: { readonly ts: Timestamp; readonly tables: readonly TableId[] };
}

export type CatalogCommitResult =
  /** Durable, and visible to every later read. */
  | { readonly ok: true; readonly ts: Timestamp }
  /** Nothing was changed: compute the change again from the present catalog. */
  | { readonly ok: false; readonly reason: "catalogChanged" | "documentsChanged" };

export interface CatalogCommitter {
  /**
   * Rows for tables that are to exist (of one that exists already: its row) and ids for indexes, which no one else
   * gets. What is allocated and never committed is not used again. A committed table brings its `by_creation_time`.
   */
  allocate(request: {
    readonly tables: readonly { readonly component: ComponentPath; readonly name: string }[];
    readonly indexes: number;
  }): Promise<{ readonly tables: readonly TableRow[]; readonly indexIds: readonly IndexId[] }>;
  commitCatalog(commit: CatalogCommit): Promise<CatalogCommitResult>;
}

/** Table names of one component by number, for `v.id(…)` in document validators. */
export interface TableNames {
  tableName(tableNumber: number): string | null;
}

/** Why a document does not match the schema, or null. `document` is ConvexJSON with its system fields. */
export type DocumentCheck = (table: string, document: JsonObject, tables: TableNames) => string | null;

/** Rules that `src/values` implements, with the texts of the reference. */
export interface Rules {
  /** Checks a schema as `export()` wrote it (`abi.md` §4.1). Throws `CodedError`. */
  checkSchema(schema: JsonValue): void;
  documentCheck(schema: SchemaJson): DocumentCheck;
  /** Checks a whole set of environment variables as it would be after a change (§4.9). Throws `CodedError`. */
  checkVariables(variables: Readonly<Record<string, string>>): void;
}

/** Index keys of stored documents (`src/engine/index-definition.ts`). */
export interface DocumentKeys {
  /** Null: the index is of a type that has no keys. */
  indexKey(definition: IndexDefinition, document: JsonValue, id: InternalId): IndexKey | null;
}

/** Documents and bytes of a table, counted no further than `bound` documents. */
export interface TableSizes {
  size(table: TableId, bound: number): Promise<{ readonly documents: number; readonly bytes: number }>;
}

export interface DeployPorts {
  readonly code: CodeStore;
  readonly analyzer: Analyzer;
  /** Null: the deployment has no Node service. */
  readonly nodeAnalyzer: NodeAnalyzer | null;
  readonly persistence: Pick<Persistence, "read" | "loadCatalog" | "log" | "backfill" | "removeIndexEntries">;
  readonly committer: CatalogCommitter;
  readonly rules: Rules;
  readonly documentKeys: DocumentKeys;
  readonly derivedIndexes: DerivedIndexes;
  readonly tableSizes: TableSizes;
  readonly cipher: EnvironmentCipher;
  readonly tokens: PushTokens;
  /** Resolves when every Worker isolate that may still hold the previous app version has let go of it. */
  readonly waitForLeases: () => Promise<void>;
  /**
   * Called between two batches of long work, so that requests get their turn: workerd on one machine runs D1 in the
   * same process and does not look at its sockets while any of it has something to do.
   */
  readonly pause: () => Promise<void>;
  /** Asks whoever owns an alarm to call `BackgroundIndexWork.run` soon, and again while it answers true. */
  readonly startBackground: () => void;
  readonly history: History;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: DeploySettings;
}
