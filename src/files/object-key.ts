import type { FileRef } from "../engine/file-store.ts";
import type { InternalId } from "../engine/names.ts";

const KEY = /^(\d{5})\/((?:\w+\/)*)([0-9A-F]{32})$/;

/** An internal id ends in the day on which it was drawn, big-endian. Days since the Unix epoch. */
export function dayOf(id: InternalId): number {
  return Number.parseInt(id.slice(-4), 16);
}

export function dayPrefix(day: number): string {
  return `${String(day).padStart(5, "0")}/`;
}

/** `<day>/<component path>/<internal id>`: the day comes first, so that what is new can be listed alone. */
export function objectKey({ component, id }: FileRef): string {
  return `${dayPrefix(dayOf(id))}${component === "" ? "" : `${component}/`}${id}`;
}

/** `null`: not the key of a file. */
export function parseObjectKey(key: string): FileRef | null {
  const [, day, path, id] = KEY.exec(key) ?? [];
  if (day === undefined || path === undefined || id === undefined) return null;
  const file = { component: path.slice(0, -1), id: id as InternalId }; // As `objectKey` wrote it.
  return objectKey(file) === key ? file : null;
}
