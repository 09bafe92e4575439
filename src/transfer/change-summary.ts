import type { PlannedTable } from "./import-plan.ts";

/** What the developer reads before the import begins. */
export function changeSummary(tables: readonly PlannedTable[]): string {
  const rows = [
    ["table", "create", "delete"],
    ...tables.map((planned) => [
      displayName(planned),
      String(planned.rows),
      `${planned.deleted} of ${planned.existing}`,
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ") + " |");
  const [header = "", ...body] = lines;
  return [
    "Import change summary:",
    header,
    "-".repeat(header.length),
    ...body,
    "Once the import has started, it will run in the background.",
    "Interrupting `npx convex import` will not cancel it.",
  ].join("\n");
}

/** The component is in front of the table's name. */
export function displayName({ component, table }: Pick<PlannedTable, "component" | "table">): string {
  return component === "" ? table : `${component}/${table}`;
}
