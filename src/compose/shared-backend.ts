import { type Backend, composeBackend } from "./backend.ts";
import type { Bindings } from "./environment.ts";

/** Bindings never change while an isolate lives, so what is made from them is made once. */
let backend: Backend | undefined;

/** A value is shared, never a promise: one request must not await what another one started. */
export async function sharedBackend(bindings: Bindings): Promise<Backend> {
  backend ??= await composeBackend(bindings);
  return backend;
}
