import { Catalog } from "../engine/catalog.ts";
import type { ComponentPath, TableId } from "../engine/names.ts";
import type { SchemaJson } from "../protocol/app.ts";
import { schemasOf } from "./active-app.ts";
import { evaluateDeclarations } from "./analysis.ts";
import { componentNodes } from "./component-tree.ts";
import { type IndexConfig, indexConfig } from "./index-diff.ts";
import type { DeployPorts } from "./ports.ts";
import type { StartPushBody } from "./push-body.ts";
import { schemaChange } from "./push-response.ts";
import { diffSchemas, type SchemaDiff, type Schemas, type WantedIndex } from "./schema-diff.ts";
import { validationOutcome } from "./schema-validation.ts";
import { loadPushBase } from "./start-push.ts";

interface Prediction {
  readonly diff: SchemaDiff;
  readonly catalog: Catalog;
  readonly schemas: Schemas;
  readonly enforced: Schemas;
  readonly definitionPaths: ReadonlyMap<ComponentPath, string>;
  readonly newDefinitions: readonly string[];
}

/** What the push would do to indexes and to documents. No function is evaluated and nothing is stored. */
export async function evaluateSchema(body: StartPushBody, ports: DeployPorts): Promise<object> {
  const prediction = await predict(body, ports);
  const sizes = new Sizes(ports);
  const evaluations: [string, object][] = [];
  for (const [component, schema] of prediction.schemas) {
    evaluations.push([
      component,
      {
        definitionPath: prediction.definitionPaths.get(component) ?? "",
        schemaValidation: schema?.schemaValidation ?? false,
        tables: schema === null ? [] : await tablePredictions(component, schema, prediction, sizes),
        indexes: await indexPredictions(component, prediction, sizes),
        discardedStagedValidators: [],
      },
    ]);
  }
  return {
    componentSchemaEvaluations: Object.fromEntries(evaluations),
    newComponentDefinitions: prediction.newDefinitions,
  };
}

/** The part of `evaluate_schema` that older servers had. */
export async function evaluatePush(body: StartPushBody, ports: DeployPorts): Promise<object> {
  const { diff, definitionPaths } = await predict(body, ports);
  return { schemaChange: schemaChange([...definitionPaths.keys()], diff) };
}

async function predict(body: StartPushBody, ports: DeployPorts): Promise<Prediction> {
  const base = await loadPushBase(ports);
  const { tree, schemas: byDefinition } = await evaluateDeclarations(body, base.variables, ports);
  const nodes = [...componentNodes(tree)];
  const schemas: Schemas = new Map(nodes.map((node) => [node.path, byDefinition.get(node.definitionPath) ?? null]));
  const catalog = new Catalog(base.rows);
  const known = new Set(Object.values(base.active?.app.components ?? {}).map((component) => component.definitionPath));
  return {
    diff: diffSchemas(catalog, schemas),
    catalog,
    schemas,
    enforced: base.active === null ? new Map() : schemasOf(base.active.app),
    definitionPaths: new Map(nodes.map((node) => [node.path, node.definitionPath])),
    newDefinitions: [...new Set(nodes.map((node) => node.definitionPath))].filter((path) => !known.has(path)),
  };
}

async function tablePredictions(
  component: ComponentPath,
  schema: SchemaJson,
  { catalog, enforced }: Prediction,
  sizes: Sizes,
): Promise<readonly object[]> {
  const predictions: object[] = [];
  for (const table of schema.tables) {
    const row = catalog.table(component, table.tableName);
    const outcome = validationOutcome(schema, table, enforced.get(component) ?? null, row);
    const { documents, bytes } = await sizes.of(outcome === "mustWalk" ? row?.id : undefined);
    predictions.push({ name: table.tableName, outcome, numDocs: documents, sizeBytes: bytes });
  }
  return predictions;
}

async function indexPredictions(
  component: ComponentPath,
  { diff, catalog }: Prediction,
  sizes: Sizes,
): Promise<readonly object[]> {
  const own = <T extends { readonly wanted: WantedIndex }>(items: readonly T[]): readonly T[] =>
    items.filter(({ wanted }) => wanted.component === component);
  const config = ({ table, name, definition, staged }: WantedIndex): IndexConfig =>
    indexConfig(table, name, definition, staged);
  const predictions: object[] = own(diff.identical).map(({ wanted }) => ({
    ...config(wanted),
    change: "identical",
    needsBackfill: false,
    numDocs: 0,
  }));
  for (const { wanted, row } of own(diff.added)) {
    const table = catalog.table(component, wanted.table);
    const needsBackfill = table !== undefined && row?.state !== "ready";
    const { documents } = await sizes.of(table?.id);
    predictions.push({ ...config(wanted), change: "added", needsBackfill, numDocs: documents });
  }
  for (const { wanted, row } of own(diff.enabled)) {
    const needsBackfill = row.state === "backfilling";
    const { documents } = await sizes.of(row.tableId);
    predictions.push({ ...config(wanted), change: "enabled", needsBackfill, numDocs: documents });
  }
  for (const { wanted, row } of own(diff.disabled)) {
    const { documents } = await sizes.of(row.tableId);
    predictions.push({ ...config(wanted), change: "disabled", needsBackfill: false, numDocs: documents });
  }
  for (const { table, row } of diff.removed.filter((removed) => removed.component === component)) {
    const { documents } = await sizes.of(table.id);
    predictions.push({
      ...indexConfig(table.name, row.name, row.definition, row.staged),
      change: "dropped",
      needsBackfill: false,
      numDocs: documents,
    });
  }
  return predictions;
}

/** Counts only tables that something happens to, each once. */
class Sizes {
  readonly #ports: Pick<DeployPorts, "tableSizes" | "settings">;
  readonly #known = new Map<TableId, Promise<{ readonly documents: number; readonly bytes: number }>>();

  constructor(ports: Pick<DeployPorts, "tableSizes" | "settings">) {
    this.#ports = ports;
  }

  async of(table: TableId | undefined): Promise<{ readonly documents: number; readonly bytes: number }> {
    if (table === undefined) return { documents: 0, bytes: 0 };
    const known = this.#known.get(table) ?? this.#ports.tableSizes.size(table, this.#ports.settings.countBound);
    this.#known.set(table, known);
    return await known;
  }
}
