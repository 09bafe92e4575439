/** Limits of any value in flight: arguments, results, written fields (`abi.md` §3.4). Bytes, levels and counts. */
export interface ValueLimits {
  readonly size: number;
  readonly nesting: number;
  readonly arrayLength: number;
  readonly objectFields: number;
  readonly fieldNameLength: number;
}

export const VALUE_LIMITS: ValueLimits = {
  size: 32 * 1024 * 1024,
  nesting: 64,
  arrayLength: 8192,
  objectFields: 1024,
  fieldNameLength: 1024,
};

/** Tighter limits of a stored document, system fields included. */
export interface DocumentLimits {
  readonly size: number;
  readonly nesting: number;
  /** Top-level fields only (`features.md` §2.0); deeper ones have `ValueLimits.fieldNameLength`. */
  readonly topLevelFieldNameLength: number;
}

export const DOCUMENT_LIMITS: DocumentLimits = {
  size: 1024 * 1024,
  nesting: 16,
  topLevelFieldNameLength: 64,
};

/** Limits of a schema; settings of the deployment. Search and vector indexes count among `indexesPerTable` too. */
export interface SchemaLimits {
  readonly tables: number;
  readonly indexesPerTable: number;
  readonly fieldsPerIndex: number;
  readonly filterFieldsPerIndex: number;
  readonly searchIndexesPerTable: number;
  readonly vectorIndexesPerTable: number;
  readonly minDimensions: number;
  readonly maxDimensions: number;
  /** What follows the text of a limit: the setting's name, if it was changed. */
  readonly notes?: {
    readonly tables?: string;
    readonly indexesPerTable?: string;
    readonly fieldsPerIndex?: string;
    readonly filterFieldsPerIndex?: string;
    readonly searchIndexesPerTable?: string;
    readonly vectorIndexesPerTable?: string;
  };
}

export const SCHEMA_LIMITS: SchemaLimits = {
  tables: 10_000,
  indexesPerTable: 32,
  fieldsPerIndex: 16,
  filterFieldsPerIndex: 16,
  searchIndexesPerTable: 4,
  vectorIndexesPerTable: 4,
  minDimensions: 2,
  maxDimensions: 4096,
};

/** Environment variables: names in characters, values and total in bytes (`features.md` §0.1). */
export interface EnvironmentLimits {
  readonly variables: number;
  readonly nameLength: number;
  readonly valueBytes: number;
  readonly totalBytes: number;
  /** What follows the text of a limit: the setting's name, if it was changed. */
  readonly notes?: {
    readonly envVars?: string;
    readonly envVarNameLength?: string;
    readonly envVarValueBytes?: string;
    readonly envVarTotalBytes?: string;
  };
}

export const ENVIRONMENT_LIMITS: EnvironmentLimits = {
  variables: 1000,
  nameLength: 256,
  valueBytes: 8192,
  totalBytes: 512 * 1024,
};
