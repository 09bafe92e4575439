/** Limits of a push (`features.md` §2.0). Settings of the deployment. */
export interface DeploySettings {
  /** Modules outside `_deps/`. */
  readonly maxModules: number;
  /** Bytes of all pushed sources together. */
  readonly maxCodeBytes: number;
  readonly maxTables: number;
  /** What follows the text of a limit: the setting's name, if it was changed. */
  readonly notes?: { readonly modules?: string; readonly codeBytes?: string; readonly tables?: string };
  /** Variables that every function sees and nobody may set: `CONVEX_CLOUD_URL`, `CONVEX_SITE_URL`. */
  readonly builtinVariables: Readonly<Record<string, string>>;
  readonly backfill: BackfillSettings;
  /** Longest hold of one `wait_for_schema`, ms, whatever the client asks for. */
  readonly maxWaitMs: number;
  /** How long `finish_push` keeps checking documents that are written while it finishes, ms. */
  readonly finishTimeoutMs: number;
  /** Documents counted per table for the warnings of `evaluate_schema`. */
  readonly countBound: number;
}

export interface BackfillSettings {
  /** Most documents read in one batch: bounds how long storage is busy with us. */
  readonly documents: number;
  /** Bytes of documents after which a batch ends. */
  readonly bytes: number;
}

export const DEFAULT_DEPLOY_SETTINGS: Omit<DeploySettings, "builtinVariables"> = {
  maxModules: 4096,
  maxCodeBytes: 32 * 1024 * 1024,
  maxTables: 10_000,
  backfill: { documents: 1000, bytes: 2 * 1024 * 1024 },
  maxWaitMs: 10_000,
  finishTimeoutMs: 20_000,
  countBound: 100_000,
};
