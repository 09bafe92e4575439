import { type Backend, composeBackend } from "./backend.ts";
import type { Bindings } from "./environment.ts";

/** Bindings never change while an isolate lives, so what is made from them is made once. */
let backend: Backend | undefined;

export async function currentBackend(bindings: Bindings): Promise<Backend> {
  return (backend ??= await composeBackend(bindings));
}
