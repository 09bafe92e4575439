import type { ComponentPath } from "../engine/names.ts";
import type { IndexDefinition } from "../engine/persistence.ts";
import type { SchemaDiff } from "./schema-diff.ts";

/** An index as the official command line prints it. */
export type IndexConfig = { readonly name: string; readonly staged?: true } & (
  | { readonly type: "database"; readonly fields: readonly string[] }
  | { readonly type: "search"; readonly searchField: string; readonly filterFields: readonly string[] }
  | {
      readonly type: "vector";
      readonly dimensions: number;
      readonly vectorField: string;
      readonly filterFields: readonly string[];
    }
);

export interface IndexDiff {
  readonly added_indexes: readonly IndexConfig[];
  readonly removed_indexes: readonly IndexConfig[];
  readonly enabled_indexes: readonly IndexConfig[];
  readonly disabled_indexes: readonly IndexConfig[];
}

export function indexConfig(table: string, name: string, definition: IndexDefinition, staged: boolean): IndexConfig {
  const common = { name: `${table}.${name}`, ...(staged ? { staged: true as const } : {}) };
  switch (definition.type) {
    case "database":
      return { ...common, type: "database", fields: [...definition.fields, "_creationTime"] };
    case "search":
      return { ...common, type: "search", searchField: definition.searchField, filterFields: definition.filterFields };
    case "vector": {
      const { dimensions, vectorField, filterFields } = definition;
      return { ...common, type: "vector", dimensions, vectorField, filterFields };
    }
    default:
      return definition satisfies never;
  }
}

export function indexDiff(diff: SchemaDiff, component: ComponentPath): IndexDiff {
  const config = ({ wanted }: SchemaDiff["added"][number] | SchemaDiff["enabled"][number]): IndexConfig =>
    indexConfig(wanted.table, wanted.name, wanted.definition, wanted.staged);
  const ofComponent = (item: { readonly wanted: { readonly component: ComponentPath } }): boolean =>
    item.wanted.component === component;
  return {
    added_indexes: diff.added.filter(ofComponent).map(config),
    removed_indexes: diff.removed
      .filter((removed) => removed.component === component)
      .map(({ table, row }) => indexConfig(table.name, row.name, row.definition, row.staged)),
    enabled_indexes: diff.enabled.filter(ofComponent).map(config),
    disabled_indexes: diff.disabled.filter(ofComponent).map(config),
  };
}
