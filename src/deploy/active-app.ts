import { z } from "zod";
import type { ActiveApp, AppVersion } from "../protocol/app.ts";
import { must } from "../shared/assert.ts";
import type { JsonValue } from "../shared/json.ts";
import type { CodeStore } from "./code-store.ts";
import type { Schemas } from "./schema-diff.ts";

const activeApp = z.object({ version: z.string(), generation: z.number() });

const lastPush = z.object({ id: z.string(), previousVersion: z.string().nullable() });

/** Names the push that made the active version, so that a `finish_push` sent twice is answered twice. */
export type LastPush = z.infer<typeof lastPush>;

/** Catalog values written by pushes. */
export const ACTIVE_APP = "app";
export const LAST_PUSH = "lastPush";

export interface ActiveVersion extends ActiveApp {
  readonly app: AppVersion;
}

/** Null before the first push. */
export async function loadActiveApp(
  values: ReadonlyMap<string, JsonValue>,
  code: CodeStore,
): Promise<ActiveVersion | null> {
  const value = values.get(ACTIVE_APP);
  if (value === undefined) return null;
  const active = activeApp.parse(value);
  return { ...active, app: must(await code.app(active.version), `app version ${active.version}`) };
}

/** Null before the first push. */
export function activeVersion(values: ReadonlyMap<string, JsonValue>): string | null {
  const value = values.get(ACTIVE_APP);
  return value === undefined ? null : activeApp.parse(value).version;
}

export function activeGeneration(values: ReadonlyMap<string, JsonValue>): number {
  const value = values.get(ACTIVE_APP);
  return value === undefined ? 0 : activeApp.parse(value).generation;
}

export function loadLastPush(values: ReadonlyMap<string, JsonValue>): LastPush | null {
  const value = values.get(LAST_PUSH);
  return value === undefined ? null : lastPush.parse(value);
}

export function schemasOf(app: AppVersion): Schemas {
  return new Map(Object.entries(app.components).map(([path, component]) => [path, component.schema]));
}
