import type { JsonValue } from "../shared/json.ts";
import type { AnalyzedModule } from "./invocation.ts";
import type { FunctionPath } from "./function-path.ts";

/**
 * One pushed version of an app, immutable: everything the runtime needs besides the sources themselves. Stored in R2
 * under `apps/<version>.json`; the catalog value `"app"` (an `ActiveApp`) names the active one, so a push flips
 * schema, functions, crons and auth config in one commit.
 */
export interface AppVersion {
  /** Content hash of everything below, lower-case hex sha-256. */
  readonly version: string;
  /** By component path; `""` is the app itself and always present. */
  readonly components: Readonly<Record<string, ComponentVersion>>;
  /** Everything an isolate may load, sources content-addressed in R2 under `modules/<hash>`. */
  readonly modules: readonly ModuleReference[];
  /** R2 key of one JSON object `{[key]: source}` with every isolate module, so that a cold start is one read. */
  readonly bundleKey: string;
  /** Import-phase determinism (`abi.md` §5.2). */
  readonly importSeed: string;
  readonly importTime: number;
  /** Folder of the functions in the developer's project, with a slash behind; absent: `convex/`. */
  readonly functions?: string;
  /** Version of the npm package the app was pushed with. */
  readonly npmVersion: string;
  readonly nodeVersion: string | null;
  /** Absent when there are no `"use node"` modules. */
  readonly node?: NodeCode;
  readonly authProviders: readonly JsonValue[];
}

/** The `"use node"` modules as the Node service fetches them: one zip, in R2 under `packages/<hash>.zip`. */
export interface NodeCode {
  /** Lower-case hex sha-256 of the zip's bytes. */
  readonly hash: string;
  /** Of the zip. */
  readonly bytes: number;
  /** Packages of `node.externalPackages`, exact versions, by name. */
  readonly externals: readonly { readonly name: string; readonly version: string }[];
}

export interface ModuleReference {
  /** Key in the isolate's module table: `app/<path>` or `components/<definition path>/<path>`. */
  readonly key: string;
  /** Path as pushed, e.g. `dir/messages.js` or `_deps/ABC.js`. */
  readonly path: string;
  readonly environment: "isolate" | "node";
  /** Lower-case hex sha-256 over source then source map, as the CLI computes it. */
  readonly hash: string;
  /** R2 key of the source map, absent when the module has none. */
  readonly sourceMapKey?: string;
}

export interface ComponentVersion {
  /** Definition path, `""` for the app. Instances of one definition share its modules. */
  readonly definitionPath: string;
  /** Prefix of this component's module keys: `"app/"` or `"components/<definition path>/"`. */
  readonly modulePrefix: string;
  /** Child name → component path. */
  readonly children: Readonly<Record<string, string>>;
  /** Analysis by canonical module path (`"dir/messages.js"`). */
  readonly modules: Readonly<Record<string, AnalyzedModule & { readonly environment: "isolate" | "node" }>>;
  /** Schema as exported (`abi.md` §4.1), null when the component has none. */
  readonly schema: SchemaJson | null;
  readonly httpPrefix: string | null;
  /** Path prefix → child name. */
  readonly httpMounts: Readonly<Record<string, string>>;
  /** How `process.env` of a child component is bound; null for the app, which sees every variable. */
  readonly environment: Readonly<Record<string, EnvironmentBinding>> | null;
  /** Variables that the definition declares (`defineApp({env})`); absent when it declares none. */
  readonly declaredEnvironment?: Readonly<Record<string, EnvironmentDeclaration>>;
}

export interface EnvironmentDeclaration {
  /** Validator JSON; only validators of strings can be declared. */
  readonly validator: JsonValue;
  readonly optional: boolean;
}

export type EnvironmentBinding =
  | { readonly type: "value"; readonly value: string }
  /** The parent's variable of that name. */
  | { readonly type: "envVar"; readonly name: string };

export type SchemaJson = {
  readonly tables: readonly TableSchemaJson[];
  readonly schemaValidation: boolean;
};

export type TableSchemaJson = {
  readonly tableName: string;
  readonly indexes: readonly DatabaseIndexJson[];
  readonly stagedDbIndexes: readonly DatabaseIndexJson[];
  readonly searchIndexes: readonly SearchIndexJson[];
  readonly stagedSearchIndexes: readonly SearchIndexJson[];
  readonly vectorIndexes: readonly VectorIndexJson[];
  readonly stagedVectorIndexes: readonly VectorIndexJson[];
  /** Validator JSON. */
  readonly documentType: JsonValue | null;
};

export type DatabaseIndexJson = {
  readonly indexDescriptor: string;
  readonly fields: readonly string[];
};

export type SearchIndexJson = {
  readonly indexDescriptor: string;
  readonly searchField: string;
  readonly filterFields: readonly string[];
};

export type VectorIndexJson = {
  readonly indexDescriptor: string;
  readonly vectorField: string;
  readonly dimensions: number;
  readonly filterFields: readonly string[];
};

/** The catalog value `"app"`. */
export interface ActiveApp {
  readonly version: string;
  /** Counts pushes, so that a concurrent one is noticed. */
  readonly generation: number;
}

export type FunctionHandles = ReadonlyMap<string, FunctionPath>;
