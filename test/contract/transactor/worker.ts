import { SimplePersistence } from "../../support/simple-persistence.ts";
import { simpleRules, SimpleTransaction } from "../../support/simple-transaction.ts";
import { DEFAULT_COMMIT_SETTINGS } from "../../../src/engine/commit/settings.ts";
import type { InternalId } from "../../../src/engine/names.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import { TransactorObject, type TransactorComposition } from "../../../src/transactor/transactor.ts";
import { TransactorClient, type TransactorStub } from "../../../src/transactor/transactor-client.ts";

const store = new SimplePersistence();
let failLoads = 0;
const load = store.loadCatalog.bind(store);
store.loadCatalog = () => (failLoads-- > 0 ? Promise.reject(new Error("D1 is away")) : load());

/** How often an alarm looked for background work. The first time more work turns up while it looks. */
let backgroundRuns = 0;

interface Env {
  readonly TRANSACTOR: DurableObjectNamespace<Transactor>;
}

/** The real object on a store in memory; functions are chosen by name instead of run from user code. */
export class Transactor extends TransactorObject<Env> {
  protected override compose(_context: DurableObjectState, env: Env): TransactorComposition {
    return {
      persistence: store,
      rules: simpleRules,
      clock: Date,
      random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      jitter: Math.random,
      log: console,
      settings: DEFAULT_COMMIT_SETTINGS,
      retentionMs: 60_000,
      background: async () => {
        backgroundRuns += 1;
        if (backgroundRuns === 1) await transactor(env).startBackground();
        return false;
      },
      published: () => undefined,
      listen: () => undefined,
      executor: {
        async execute({ path, args }, begin) {
          if (path.function === "coded") throw new CodedError("NotFound", "NoSuchThing", "There is no such thing.");
          if (path.function === "bug") throw new TypeError("secret detail");
          const tx = new SimpleTransaction(begin);
          const id = args as InternalId;
          const n = ((await tx.get("counters", id))?.["n"] ?? 0) + 1;
          // User code runs elsewhere: others get their turn.
          await new Promise((resolve) => setTimeout(resolve, 1));
          await tx.put("counters", id, { n });
          const outcome =
            path.function === "fail"
              ? ({ ok: false, error: { message: "Uncaught Error: no" }, logLines: [] } as const)
              : ({ ok: true, value: `${n}`, logLines: [] } as const);
          return { outcome, effects: tx.effects() };
        },
      },
    };
  }
}

function transactor(env: Env) {
  return env.TRANSACTOR.get(env.TRANSACTOR.idFromName("transactor"));
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const client = new TransactorClient((): TransactorStub => transactor(env));
    const { method, body } = await request.json<{ method: string; body: never }>();
    try {
      switch (method) {
        case "failLoads":
          failLoads = body;
          return Response.json(null);
        case "runMutation":
          return Response.json(await client.runMutation(body));
        case "commitCatalog":
          return Response.json(await client.commitCatalog(body));
        case "allocate":
          return Response.json(await client.allocate(body));
        case "stored":
          return Response.json({
            head: store.head,
            documents: [...store.documents.values()],
            values: [...store.values],
          });
        case "startBackground":
          await transactor(env).startBackground();
          return Response.json(null);
        case "backgroundRuns":
          return Response.json(backgroundRuns);
        case "raw":
          return Response.json(await transactor(env).runMutation(body));
        default:
          return Response.json(await client.latest());
      }
    } catch (error) {
      const coded = error instanceof CodedError ? { errorClass: error.errorClass, code: error.code } : {};
      return Response.json(
        { ...coded, message: error instanceof Error ? error.message : String(error) },
        { status: 500 },
      );
    }
  },
};
