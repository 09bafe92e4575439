import { importingModule } from "./import-phase.ts";

/**
 * A promise that was refused while a module was imported. The platform reports no unhandled rejection while a Worker
 * starts, so whether anybody handles this one is told by whether anybody asks for its outcome: `await` and the
 * functions of `Promise` do so by `then`, as this is no plain promise.
 */
class RefusedPromise extends Promise<unknown> {
  #handled = false;

  // oxlint-disable-next-line no-thenable -- a promise that listens
  override then<A = unknown, B = never>(
    fulfilled?: ((value: unknown) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#handled = true;
    const next = super.then(fulfilled, rejected);
    watch(next);
    return next;
  }

  get handled(): boolean {
    return this.#handled;
  }
}

// oxlint-disable-next-line unbound-method -- called with a receiver
const plainThen = Promise.prototype.then;

/** What follows from a refusal is refused too, unless it was handled. */
function watch(promise: Promise<unknown>): void {
  const module = importingModule();
  if (module === undefined || !(promise instanceof RefusedPromise)) return;
  void Reflect.apply(plainThen, promise, [
    undefined,
    (error: unknown) => {
      module.refused.push({ error, handled: () => promise.handled });
    },
  ]);
}

/** The rejection of an API that is not there while modules are imported. */
export function refusedAtImport(error: Error): Promise<never> {
  if (importingModule() === undefined) return Promise.reject(error);
  const promise = RefusedPromise.reject(error);
  watch(promise);
  return promise as Promise<never>;
}
