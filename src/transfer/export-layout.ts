import type { ExportTable } from "./export-progress.ts";

export const README = `# Snapshot of a deployment

- \`<table>/documents.jsonl\`: the documents of a table, one per line, in the JSON encoding of Convex values.
- \`_tables/documents.jsonl\`: the tables and the numbers in their IDs.
- \`_storage/\`: stored files, if they were asked for, named by their IDs.
- \`_components/<name>/\`: the same for each component.

\`npx convex import <this file>\` brings it into a deployment.
`;

type Named = Pick<ExportTable, "component" | "name">;

/** Folder of a table, with a slash at its end. */
export function folderOf({ component, name }: Named): string {
  const components = component === "" ? [] : component.split("/");
  return `${components.map((part) => `_components/${part}/`).join("")}${name}/`;
}

export function documentsEntry(table: Named): string {
  return `${folderOf(table)}documents.jsonl`;
}

export function fileEntry(table: Named, id: string, contentType: string | null): string {
  return `${folderOf(table)}${id}${extension(contentType)}`;
}

const EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ["image/png", ".png"],
  ["image/jpeg", ".jpg"],
  ["image/gif", ".gif"],
  ["image/webp", ".webp"],
  ["image/svg+xml", ".svg"],
  ["application/pdf", ".pdf"],
  ["application/json", ".json"],
  ["application/zip", ".zip"],
  ["text/plain", ".txt"],
  ["text/html", ".html"],
  ["text/css", ".css"],
  ["text/csv", ".csv"],
  ["text/javascript", ".js"],
  ["audio/mpeg", ".mp3"],
  ["audio/wav", ".wav"],
  ["video/mp4", ".mp4"],
  ["video/webm", ".webm"],
]);

/** For people who unpack it. */
function extension(contentType: string | null): string {
  const type = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  return EXTENSIONS.get(type) ?? "";
}
