import type { FileStore } from "../engine/file-store.ts";
import type { TableId } from "../engine/names.ts";
import type { DerivedIndexes } from "../engine/derived-index.ts";
import type { Persistence } from "../engine/persistence.ts";
import type { CatalogCommitter } from "../deploy/ports.ts";
import type { Clock } from "../shared/clock.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import type { Log } from "../shared/log.ts";

export interface TransferPorts {
  /** Holds uploads and exports, below `transfer/`. */
  readonly bucket: R2Bucket;
  readonly files: FileStore;
  readonly persistence: Pick<Persistence, "read" | "loadCatalog">;
  readonly committer: CatalogCommitter;
  /** Documents of a table, counted no further than `bound`. */
  readonly countDocuments: (table: TableId, bound: number) => Promise<number>;
  /** Runs an operation of the Transactor. */
  readonly run: (op: string, args: JsonObject) => Promise<JsonValue>;
  /** Paths of the components of the app. The app itself is always one. */
  readonly components: () => Promise<readonly string[]>;
  /** The schema of a component in a version of the app, as JSON; `null`: it has none. */
  readonly schema: (version: string | null, component: string) => Promise<JsonValue>;
  /** Validator of a table's documents in the schema in force, as JSON; `null`: it declares none. */
  readonly documentType: (component: string, table: string) => Promise<JsonValue>;
  readonly derivedIndexes: DerivedIndexes;
  /** Lets other requests have their turn. */
  readonly pause: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}
