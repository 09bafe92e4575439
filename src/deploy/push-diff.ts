import type { AppVersion, ComponentVersion } from "../protocol/app.ts";
import { parseCrons } from "./crons.ts";
import { canonicalJson } from "./digest.ts";
import { type IndexDiff, indexDiff } from "./index-diff.ts";
import type { SchemaDiff } from "./schema-diff.ts";

const NO_INDEX_CHANGES: IndexDiff = {
  added_indexes: [],
  removed_indexes: [],
  enabled_indexes: [],
  disabled_indexes: [],
};

/** What a dry run answers. */
export const EMPTY_PUSH_DIFF = { authDiff: { added: [], removed: [] }, definitionDiffs: {}, componentDiffs: {} };

/** Answer of `finish_push`: how the new version differs from the one before. Unchanged components are left out. */
export function pushDiff(previous: AppVersion | null, next: AppVersion, indexes: SchemaDiff | null): object {
  const before = new Set(previous?.authProviders.map((provider) => canonicalJson(provider)));
  const after = new Set(next.authProviders.map((provider) => canonicalJson(provider)));
  const paths = new Set([...Object.keys(next.components), ...Object.keys(previous?.components ?? {})]);
  return {
    authDiff: {
      added: [...after].filter((provider) => !before.has(provider)),
      removed: [...before].filter((provider) => !after.has(provider)),
    },
    definitionDiffs: {},
    componentDiffs: Object.fromEntries(
      [...paths].flatMap((path) => {
        const diff = componentDiff(
          path,
          previous,
          next,
          indexes === null ? NO_INDEX_CHANGES : indexDiff(indexes, path),
        );
        return diff === null ? [] : [[path, diff]];
      }),
    ),
  };
}

function componentDiff(path: string, previous: AppVersion | null, next: AppVersion, indexes: IndexDiff): object | null {
  const before = previous?.components[path];
  const after = next.components[path];
  const modules = changes(moduleHashes(previous, before), moduleHashes(next, after));
  const crons = changes(cronTexts(before), cronTexts(after));
  const schemas = [schemaText(before), schemaText(after)] as const;
  const versions = [previous?.npmVersion, next.npmVersion] as const;
  const versionChanged = before !== undefined && after !== undefined && versions[0] !== versions[1];
  const type = before === undefined ? "create" : after === undefined ? "unmount" : "modify";
  const changed =
    type !== "modify" ||
    versionChanged ||
    schemas[0] !== schemas[1] ||
    [...Object.values(modules), ...Object.values(crons), ...Object.values(indexes)].some((list) => list.length > 0);
  if (!changed) return null;
  return {
    diffType: { type },
    // A changed module counts as the old one removed and the new one added.
    moduleDiff: { added: [...modules.added, ...modules.updated], removed: [...modules.removed, ...modules.updated] },
    udfConfigDiff: versionChanged ? { previous_version: versions[0], next_version: versions[1] } : null,
    cronDiff: { added: crons.added, updated: crons.updated, deleted: crons.removed },
    indexDiff: indexes,
    schemaDiff: schemas[0] === schemas[1] ? null : { previous_schema: schemas[0], next_schema: schemas[1] },
  };
}

function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  return {
    added: [...after.keys()].filter((key) => !before.has(key)),
    removed: [...before.keys()].filter((key) => !after.has(key)),
    updated: [...after].filter(([key, value]) => before.has(key) && before.get(key) !== value).map(([key]) => key),
  };
}

function moduleHashes(app: AppVersion | null, component: ComponentVersion | undefined): ReadonlyMap<string, string> {
  if (app === null || component === undefined) return new Map();
  return new Map(
    app.modules
      .filter((module) => module.key === component.modulePrefix + module.path)
      .map((module) => [module.path, module.hash]),
  );
}

function cronTexts(component: ComponentVersion | undefined): ReadonlyMap<string, string> {
  return new Map([...parseCrons(component?.modules["crons.js"])].map(([id, spec]) => [id, canonicalJson(spec)]));
}

function schemaText(component: ComponentVersion | undefined): string | null {
  return component === undefined || component.schema === null ? null : JSON.stringify(component.schema);
}
