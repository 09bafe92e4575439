import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";

/** Where frames of one module point to. `null` when the module was pushed without a source map. */
export interface SourceMaps {
  /** `key` is the module's key in the isolate's table. */
  sourceMap(key: string): Promise<ModuleMap | null>;
}

export interface ModuleMap {
  readonly map: TraceMap;
  /** Column of the pushed module for one of the module that ran, both from 0. Lines, from 1, are the same. */
  pushedColumn(line: number, column: number): number;
}

/** Of a module that runs as it was pushed. */
export function plainMap(text: string): ModuleMap {
  return { map: parseSourceMap(text), pushedColumn: (_line, column) => column };
}

export function parseSourceMap(text: string): TraceMap {
  return new TraceMap(text);
}

interface Frame {
  /** `async `, function description and the rest before the location, as V8 wrote it. */
  readonly description: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const WITH_DESCRIPTION = /^\s*at (.+?) \((.+):(\d+):(\d+)\)$/;
const LOCATION_ONLY = /^\s*at (async )?(.+):(\d+):(\d+)$/;

function parseFrame(line: string): Frame | null {
  const described = WITH_DESCRIPTION.exec(line);
  if (described) {
    const [, description = "", file = "", row = "0", column = "0"] = described;
    return { description, file, line: Number(row), column: Number(column) };
  }
  const bare = LOCATION_ONLY.exec(line);
  if (bare) {
    const [, prefix = "", file = "", row = "0", column = "0"] = bare;
    return { description: prefix.trim(), file, line: Number(row), column: Number(column) };
  }
  return null;
}

/** Files of the `convex` package and of our own harness say nothing to the developer (`abi.md` §5.5). */
function isInternal(file: string): boolean {
  return (
    file.includes("convex/src/server/impl") || file.includes("convex/dist/") || file.includes("node_modules/convex/")
  );
}

/** `../../convex/messages.ts` and `convex/messages.ts` are both shown as `../convex/messages.ts`. */
function displayFile(source: string, moduleKey: string): string {
  const trimmed = source.replace(/^(\.\.\/)+/, "").replace(/^\.\//, "");
  if (trimmed.includes("/")) return `../${trimmed}`;
  return moduleKey.startsWith("app/") ? `../convex/${trimmed}` : `../${trimmed}`;
}

/** V8 gives the place alone of a function without a name; Convex says `<anonymous>` there. */
function named(description: string): string {
  if (description === "") return "<anonymous>";
  return description === "async" ? "async <anonymous>" : description;
}

/** `mapFrames` with maps that have to be fetched: only those of files in the stack are. */
export async function mapStack(stack: string, maps: SourceMaps): Promise<string[]> {
  const files = new Set(stack.split("\n").flatMap((line) => parseFrame(line)?.file ?? []));
  const loaded = new Map<string, ModuleMap | null>();
  for (const file of files) loaded.set(file, await maps.sourceMap(file));
  return mapFrames(stack, (file) => loaded.get(file) ?? null);
}

/**
 * The frames of a V8 stack as the developer knows them: one `    at …` line each, source-mapped, internal frames
 * removed from both ends, frames without a source map dropped (`abi.md` §5.5). Empty when nothing is left.
 */
export function mapFrames(stack: string, sourceMap: (file: string) => ModuleMap | null): string[] {
  const mapped: { readonly text: string; readonly internal: boolean }[] = [];
  for (const line of stack.split("\n")) {
    const frame = parseFrame(line);
    if (frame === null) continue;
    const map = sourceMap(frame.file);
    if (map === null) continue;
    const column = map.pushedColumn(frame.line, Math.max(0, frame.column - 1));
    const position = originalPositionFor(map.map, { line: frame.line, column });
    if (position.source === null || position.line === null) continue;
    const location = `${displayFile(position.source, frame.file)}:${position.line}:${(position.column ?? 0) + 1}`;
    mapped.push({ text: `    at ${named(frame.description)} (${location})`, internal: isInternal(position.source) });
  }
  let start = 0;
  let end = mapped.length;
  while (start < end && mapped[start]?.internal) start++;
  while (end > start && mapped[end - 1]?.internal) end--;
  return mapped.slice(start, end).map((frame) => frame.text);
}
