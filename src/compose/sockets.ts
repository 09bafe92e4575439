import type { SyncService } from "../http/services.ts";
import { upgradeRequest } from "../sync/upgrade.ts";
import { type Bindings, syncName } from "./environment.ts";

/**
 * A socket stays with the shard it was opened on. Which one is left to chance: what would tell clients apart, the
 * session id, comes only after the upgrade.
 */
export function composeSockets(bindings: Bindings, shards: number): SyncService {
  return {
    connect: (client) => {
      const shard = Math.floor(Math.random() * shards);
      return bindings.SYNC.getByName(syncName(shard)).fetch(upgradeRequest(client));
    },
  };
}
