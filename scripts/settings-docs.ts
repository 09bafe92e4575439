// Writes docs/settings.md from the table in src/protocol/settings.ts.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SETTINGS, type Setting } from "../src/protocol/settings.ts";

export const SETTINGS_PAGE = join(import.meta.dirname, "../docs/settings.md");

export function settingsPage(): string {
  const rows = Object.values(SETTINGS).map((setting: Setting<number> | Setting<boolean>) => [
    `\`${setting.name}\``,
    formatted(setting),
    setting.row ?? "–",
    setting.description,
  ]);
  return `${HEADER}\n${table([["variable", "default", "row", "what it bounds"], ...rows])}\n${FOOTER}`;
}

const HEADER = `# Settings

Generated from \`src/protocol/settings.ts\` by \`npm run docs\`.

Every limit of a deployment is a variable of the Worker: in production under \`[vars]\` in \`wrangler.toml\`, on your
machine in the environment of \`npm start\`. Times are in milliseconds and sizes in bytes, both as whole numbers. An
unknown \`CONVECTION_\` variable or a value that can't be read stops the start with a message that names it. The ones
that differ from their defaults are printed at start, and the error of a limit that was changed ends with its variable, as
in \`… (limit: 5) [CONVECTION_TRANSACTION_DOCUMENTS_READ=5]\`. "Row" is the line of [compatibility.md](compatibility.md) whose
behaviour it bounds.
`;

const FOOTER = `
Fixed by the format of documents, so not settings: 1 MiB per document, 1024 fields per object, 8192 elements per array,
nesting of 16 in documents and 64 in arguments and results.

## Identity of the deployment

| variable                     | what it is                                                                                           |
| ---------------------------- | ---------------------------------------------------------------------------------------------------- |
| \`CONVECTION_SECRET\`          | Secret. At least 32 random bytes in hex; every other key derives from it. Local: made on first start |
| \`CONVECTION_SECRET_PREVIOUS\` | Secret, optional. The one before, still accepted while a rotation is under way                       |
| \`CONVECTION_INSTANCE_NAME\`   | First part of every admin key. Default \`convection\`                                                  |
| \`CONVEX_CLOUD_URL\`           | Public origin of the API. Local: the API port                                                        |
| \`CONVEX_SITE_URL\`            | Public base of HTTP actions. Local: the site port                                                    |

## Log streams

[log-streams.md](log-streams.md) says what they send. Empty is not set.

| variable                       | what it is                                                                   |
| ------------------------------ | ---------------------------------------------------------------------------- |
| \`CONVECTION_LOG_STREAM_URL\`    | Where every event of the function log is posted to. Default: nowhere         |
| \`CONVECTION_LOG_STREAM_SECRET\` | Secret. Signs what is posted there; required with it                         |
| \`CONVECTION_LOG_STREAM_FORMAT\` | \`json\` (default), an array, or \`jsonl\`, a line per event                     |
| \`CONVECTION_SENTRY_DSN\`        | Secret. Sentry project that hears of uncaught errors. Default: none          |
| \`CONVECTION_DEPLOYMENT_TYPE\`   | \`prod\` (default), \`dev\` (default of \`npm start\`) or \`preview\`, for receivers |
| \`CONVECTION_PROJECT_NAME\`      | Name of the project, for receivers. Default: \`CONVECTION_INSTANCE_NAME\`      |
`;

function formatted(setting: Setting<number> | Setting<boolean>): string {
  const value = setting.default;
  if (typeof value === "boolean") return String(value);
  const note = readable(value, setting.unit);
  return note === null ? String(value) : `${value} (${note})`;
}

function readable(value: number, unit: string): string | null {
  const steps: readonly (readonly [number, string])[] =
    unit === "ms"
      ? [
          [86_400_000, "days"],
          [60_000, "min"],
          [1000, "s"],
        ]
      : unit === "bytes"
        ? [
            [2 ** 20, "MiB"],
            [2 ** 10, "KiB"],
          ]
        : [];
  const step = steps.find(([size]) => value >= size && value % size === 0);
  return step === undefined ? null : `${value / step[0]} ${step[1]}`;
}

/** Padded as the formatter pads, so that a generated page passes the format check. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line)].join("\n");
}

if (import.meta.main) writeFileSync(SETTINGS_PAGE, settingsPage());
