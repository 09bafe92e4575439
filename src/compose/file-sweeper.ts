import { Sweeper } from "../files/sweeper.ts";
import { type SweeperComposition, SweeperObject } from "../files/sweeper-object.ts";
import { FORGET_FILES_OP } from "../runtime/files/operations.ts";
import { TransactorClient } from "../transactor/transactor-client.ts";
import { type Bindings, FILE_SWEEPER_NAME, TRANSACTOR_NAME } from "./environment.ts";
import { composeCore } from "./runtime.ts";
import { clock, log } from "./system.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** The Durable Object class that wrangler.toml names. */
export class FileSweeper extends SweeperObject<Bindings> {
  protected override compose(_ctx: DurableObjectState, bindings: Bindings): SweeperComposition {
    const { settings, persistence, files } = composeCore(bindings);
    const transactor = new TransactorClient(() => bindings.TRANSACTOR.getByName(TRANSACTOR_NAME));
    const { fileOrphanMs: orphanMs, deletedFileMs: deletedMs } = settings;
    const sweeper = new Sweeper({
      store: files.store,
      persistence,
      forget: async (component, ids) => {
        await transactor.runSystem({ v: 1, op: FORGET_FILES_OP, args: { component, ids } });
      },
      clock,
      log,
      orphanMs,
      deletedMs,
    });
    return { sweeper, clock, log, intervalMs: Math.min(DAY_MS, orphanMs, deletedMs) };
  }
}

/** Never rejects: whoever comes next wakes it, too. */
export async function wakeFileSweeper(bindings: Bindings): Promise<void> {
  try {
    await bindings.FILE_SWEEPER.getByName(FILE_SWEEPER_NAME).wake();
  } catch (error) {
    log.error("files.sweeper_unreachable", error);
  }
}
