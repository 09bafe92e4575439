import { must } from "../shared/assert.ts";
import { SETTINGS, type Settings } from "./settings.ts";

/** Worker variables that start with `CONVECTION_` without being a setting. */
const OTHER_VARIABLES = [
  "CONVECTION_SECRET",
  "CONVECTION_SECRET_PREVIOUS",
  "CONVECTION_INSTANCE_NAME",
  "CONVECTION_DEPLOYMENT_TYPE",
  "CONVECTION_PROJECT_NAME",
  "CONVECTION_LOG_STREAM_URL",
  "CONVECTION_LOG_STREAM_SECRET",
  "CONVECTION_LOG_STREAM_FORMAT",
  "CONVECTION_SENTRY_DSN",
];

/** The operator's mistake. The message names every wrong variable. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/**
 * Reads the settings from Worker variables or from the environment of a process. Variables that do not begin with
 * `CONVECTION_` are not looked at; one that does and is unknown is a mistake, not a silent no-op.
 */
export function parseSettings(vars: Readonly<Record<string, unknown>>): Settings {
  const mistakes: string[] = [];
  const known = new Set<string>(OTHER_VARIABLES);
  const entries = Object.entries(SETTINGS).map(([key, setting]) => {
    known.add(setting.name);
    const given = vars[setting.name];
    if (given === undefined || given === "") return [key, setting.default] as const;
    const parsed = setting.schema.safeParse(given);
    if (parsed.success) return [key, parsed.data] as const;
    mistakes.push(`${setting.name}=${printed(given)} ${must(parsed.error.issues[0], "issue").message}.`);
    return [key, setting.default] as const;
  });
  for (const name of Object.keys(vars)) {
    if (name.startsWith("CONVECTION_") && !known.has(name)) {
      mistakes.push(`${name} is not a setting.${suggestion(name, known)}`);
    }
  }
  if (mistakes.length > 0) {
    throw new SettingsError(`${mistakes.join(" ")} docs/settings.md lists every setting.`);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the entries come from the table the type is made of
  return Object.fromEntries(entries) as Settings;
}

/** The settings that differ from their defaults, as `NAME=value`, for the boot log. */
export function changedSettings(settings: Settings): string[] {
  const values: Readonly<Record<string, number | boolean>> = settings;
  return Object.entries(SETTINGS)
    .filter(([key, setting]) => values[key] !== setting.default)
    .map(([key, setting]) => `${setting.name}=${String(values[key])}`);
}

function printed(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 60) : typeof value;
}

function suggestion(name: string, known: ReadonlySet<string>): string {
  const nearest = [...known]
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  return nearest !== undefined && nearest.distance <= 4 ? ` Did you mean ${nearest.candidate}?` : "";
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = must(previous[column - 1], "cell") + (a[row - 1] === b[column - 1] ? 0 : 1);
      const deletion = must(previous[column], "cell") + 1;
      const insertion = must(current[column - 1], "cell") + 1;
      current.push(Math.min(substitution, deletion, insertion));
    }
    previous = current;
  }
  return must(previous[b.length], "cell");
}
