import { zipSync, type Zippable } from "fflate";
import type { NodeCode } from "../protocol/app.ts";
import { sha256BytesHex } from "./digest.ts";
import type { LoadedModule } from "./module-set.ts";
import type { StartPushBody } from "./push-body.ts";

export interface NodePackage {
  readonly code: NodeCode;
  readonly zip: Uint8Array<ArrayBuffer>;
}

/** Local time, which is what a zip holds: the same bytes in every time zone. The format begins here. */
const MODIFIED = new Date(1980, 0, 1);

/**
 * The `"use node"` modules of a push and the chunks they share as one zip, by module path. Equal modules make equal
 * bytes, so a push that leaves them alone names a package that is stored, fetched and warm already.
 */
export async function nodePackage(
  modules: readonly LoadedModule[],
  { nodeDependencies }: Pick<StartPushBody, "nodeDependencies">,
): Promise<NodePackage | null> {
  const node = modules.filter(({ environment }) => environment === "node");
  if (node.length === 0) return null;
  const encoder = new TextEncoder();
  const files: Zippable = {};
  for (const { path, source } of node.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    files[path] = encoder.encode(source);
  }
  const zip = zipSync(files, { mtime: MODIFIED, os: 0, attrs: 0, level: 6 });
  const externals = nodeDependencies
    .map(({ name, version }) => ({ name, version }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { code: { hash: await sha256BytesHex(zip), bytes: zip.length, externals }, zip };
}
