import { z } from "zod";

/** What crosses between the Transactor, the Sync objects and the Worker that runs functions for them. JSON text. */

/** Commits on their way to one Sync object. `previous` = timestamp of the durable transaction right before the first. */
export interface CommitPush {
  readonly v: 1;
  readonly previous: number;
  /** Null: more than is worth sending; the commit log has them. */
  readonly transactions: readonly PushedTransaction[] | null;
  /** Of the last one. */
  readonly ts: number;
}

/** Every key, before and after, of every written document in every index of its table. */
export interface PushedTransaction {
  readonly ts: number;
  readonly keys: readonly (readonly [index: string, key: string])[];
}

/** Answer to a push. Not listening: no socket is open there, and none will be before the object asks for pushes again. */
export interface PushAnswer {
  readonly v: 1;
  readonly listening: boolean;
}

const versioned = z.looseObject({ v: z.literal(1) });

/** Both ends are our own Workers, perhaps of different versions: the version is what is checked at the door. */
export function parseVersioned<Shape extends { readonly v: 1 }>(text: string): Shape {
  const parsed = versioned.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error("A message between our own Workers has a version that is not known here");
  return parsed.data as unknown as Shape;
}
