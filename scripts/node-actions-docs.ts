// Writes the table of settings at the end of docs/node-actions.md from node-actions/settings.ts.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SERVICE_SETTINGS } from "../node-actions/settings.ts";

export const NODE_ACTIONS_PAGE = join(import.meta.dirname, "../docs/node-actions.md");

const START = "<!-- settings -->";

/** Defaults that depend on the machine. */
const DESCRIBED: Readonly<Record<string, string>> = {
  CONVECTION_NODE_STARTS: "number of processors",
  CONVECTION_NODE_PREWARMED: "number of processors, at most 4",
  CONVECTION_NODE_CACHE: "in the system's temporary directory",
};

/** The page with its table as the settings say. */
export function nodeActionsPage(page: string): string {
  const rows = Object.values(SERVICE_SETTINGS).map((setting) => [
    `\`${setting.name}\``,
    DESCRIBED[setting.name] ?? (setting.default === "" ? "–" : String(setting.default)),
    setting.description,
  ]);
  const cells = [["variable", "default", "what it is"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = cells;
  const table = [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body.map(line)];
  return `${page.slice(0, page.indexOf(START) + START.length)}\n\n${table.join("\n")}\n`;
}

if (import.meta.main) {
  writeFileSync(NODE_ACTIONS_PAGE, nodeActionsPage(readFileSync(NODE_ACTIONS_PAGE, "utf8")));
}
