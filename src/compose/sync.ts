import { createHash } from "node:crypto";
import { WorkerEntrypoint } from "cloudflare:workers";
import { D1Persistence } from "../persistence/d1/d1-persistence.ts";
import { parseSettings } from "../protocol/parse-settings.ts";
import { LogClient } from "../logs/log-client.ts";
import { toHex } from "../shared/bytes.ts";
import type { SyncWorkStub } from "../sync/function-messages.ts";
import { RemoteFunctions } from "../sync/remote-functions.ts";
import { type SyncComposition, SyncObject } from "../sync/sync-object.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import { TransactorClient } from "../transactor/transactor-client.ts";
import { currentBackend } from "./current-backend.ts";
import { type Bindings, LOGS_NAME, syncName, TRANSACTOR_NAME } from "./environment.ts";
import { clock, keepAlive, log, random } from "./system.ts";

/** Runs functions for Sync objects, as a Worker of its own for each call. */
export class SyncWork extends WorkerEntrypoint<Bindings> implements SyncWorkStub {
  async runQuery(requestJson: string): Promise<string> {
    return (await currentBackend(this.env)).syncWork.runQuery(requestJson);
  }

  async runAction(requestJson: string): Promise<string> {
    const backend = await currentBackend(this.env);
    const answer = backend.syncWork.runAction(requestJson);
    // It ends even if the object that asked goes away.
    this.ctx.waitUntil(answer);
    return answer;
  }

  async authenticate(requestJson: string): Promise<string> {
    return (await currentBackend(this.env)).syncWork.authenticate(requestJson);
  }
}

/** The Durable Object class that wrangler.toml names. */
export class Sync extends SyncObject<Bindings> {
  protected override compose(ctx: DurableObjectState, bindings: Bindings): SyncComposition {
    const settings = parseSettings(bindings);
    const shard = Number(/^sync-(\d+)$/.exec(ctx.id.name ?? "")?.[1] ?? Number.NaN);
    const persistence = new D1Persistence(bindings.DB, {
      timeoutMs: settings.d1ReadTimeoutMs,
      commitTimeoutMs: settings.d1CommitTimeoutMs,
    });
    const logs = new LogClient({ stub: () => bindings.LOGS.getByName(LOGS_NAME), keepAlive, clock, log });
    const transactor = () => bindings.TRANSACTOR.getByName(TRANSACTOR_NAME);
    return {
      functions: new RemoteFunctions(() => exportedWork(ctx), new TransactorClient(transactor, logs)),
      history: {
        head: async () => (await persistence.read([], "latest")).head.ts,
        log: (after, limit) => persistence.log(after as Timestamp, limit),
      },
      clock,
      log,
      redactErrors: settings.redactErrors,
      bufferBytes: settings.syncBufferBytes,
      digest: (text) => createHash("sha256").update(text).digest("hex"),
      newRequestId: () => toHex(random.bytes(8)).toLowerCase(),
      listen: () => transactor().listen(JSON.stringify({ v: 1, shard })),
      current: shard < settings.syncShards && syncName(shard) === ctx.id.name,
    };
  }
}

/** The class above as this Worker's own service: `ctx.exports` has every exported entrypoint by name. */
function exportedWork(ctx: DurableObjectState): SyncWorkStub {
  const { SyncWork: stub } = ctx.exports as unknown as { readonly SyncWork: SyncWorkStub };
  return stub;
}
