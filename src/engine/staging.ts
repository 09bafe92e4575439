import type { ComponentPath } from "./names.ts";

/**
 * Tables that are being filled and that nobody sees yet are in components of their own, whose paths no app can have.
 * There they have the names and numbers that they will have.
 */
const PREFIX = "~";

/** `id`: letters and digits. */
export function stagingComponent(id: string, component: ComponentPath): ComponentPath {
  return `${PREFIX}${id}~${component}`;
}

export function isStagingComponent(component: ComponentPath): boolean {
  return component.startsWith(PREFIX);
}

/** The component that the tables are meant for; `null`: it is not one for staging. */
export function parseStagingComponent(
  path: ComponentPath,
): { readonly id: string; readonly component: ComponentPath } | null {
  if (!isStagingComponent(path)) return null;
  const end = path.indexOf(PREFIX, 1);
  return { id: path.slice(1, end), component: path.slice(end + 1) };
}
