import { type Backend, composeBackend } from "../../../src/compose/backend.ts";
import type { Bindings } from "../../../src/compose/environment.ts";
import { ScheduledActions, Scheduler as RealScheduler } from "../../../src/compose/scheduler.ts";
import { Transactor as RealTransactor } from "../../../src/compose/transactor.ts";
import { Sync as RealSync } from "../../../src/compose/sync.ts";
import type { CommitPush } from "../../../src/protocol/sync-calls.ts";
import type { SyncComposition } from "../../../src/sync/sync-object.ts";
import type { TransactorComposition } from "../../../src/transactor/transactor.ts";
import type { SchedulerComposition } from "../../../src/scheduler/scheduler-object.ts";
import { controls } from "./controls.ts";
import { faulty, type Holder } from "./faulty-d1.ts";

/**
 * The real backend on bindings that a test can look into and break: loader ids are recorded, D1 fails on demand, and
 * the header `x-transactor` chooses one of several Transactor objects on the same database.
 */
interface Env extends Bindings {
  readonly TRANSACTOR: Bindings["TRANSACTOR"];
}

function instrumented(env: Env, transactor: string, holder: Holder): Bindings {
  return {
    ...env,
    DB: faulty(env.DB, holder),
    LOADER: {
      get(id, code) {
        if (id !== null) controls.loaderIds.add(id);
        return env.LOADER.get(id, code);
      },
      load(code) {
        controls.loads += 1;
        return env.LOADER.load(code);
      },
    },
    TRANSACTOR: { getByName: () => env.TRANSACTOR.getByName(transactor) },
  };
}

export { ScheduledActions };

/** Its namespace is keyed by name as in production, so two names are two objects. */
export class Transactor extends RealTransactor {
  protected override compose(context: DurableObjectState, env: Env): TransactorComposition {
    return super.compose(context, instrumented(env, context.id.name ?? "transactor", "transactor"));
  }

  evict(): void {
    this.ctx.abort("evicted by the test");
  }
}

export { FileSweeper } from "../../../src/compose/file-sweeper.ts";
export { Logs } from "../../../src/compose/logs.ts";
export { Search } from "../../../src/compose/search.ts";
export { Transfers } from "../../../src/compose/transfers.ts";
export class Scheduler extends RealScheduler {
  protected override compose(context: DurableObjectState, env: Env): SchedulerComposition {
    const composition = super.compose(context, instrumented(env, "transactor", "transactor"));
    const { runJob, runAction } = composition.ports;
    const ports: SchedulerComposition["ports"] = {
      ...composition.ports,
      async runJob(key, phase) {
        const answer = await runJob(key, phase);
        if (controls.loseJobAnswers === 0) return answer;
        controls.loseJobAnswers -= 1;
        throw new Error("lost by the test");
      },
      async runAction(key, call) {
        const [lost, ...rest] = controls.loseActions;
        controls.loseActions = rest;
        const running = lost === "before" ? Promise.resolve() : runAction(key, call);
        if (lost === undefined) return running;
        // It goes on, and nobody hears of it.
        context.waitUntil(running.catch(() => undefined));
        throw new Error("lost by the test");
      },
    };
    return { ...composition, ports };
  }

  evict(): void {
    this.ctx.abort("evicted by the test");
  }

  /** What the platform promises not to do to an alarm, and what it may do. */
  async alarmTrouble(kind: "lost" | "late" | "twice"): Promise<void> {
    const { storage } = this.ctx;
    if (kind === "lost") await storage.deleteAlarm();
    if (kind === "late") await storage.setAlarm(((await storage.getAlarm()) ?? Date.now()) + 1_500);
    if (kind === "twice") await Promise.all([this.alarm(), this.alarm(), this.alarm()]);
  }
}

export { SyncWork } from "../../../src/compose/sync.ts";

/** Can be made to lose pushes, or its memory and its sockets, as a crash of its machine would. */
export class Sync extends RealSync {
  protected override compose(context: DurableObjectState, env: Env): SyncComposition {
    const { syncShards, lives } = controls;
    const name = context.id.name ?? "";
    lives[name] = (lives[name] ?? 0) + 1;
    const variables = syncShards === null ? env : { ...env, CONVECTION_SYNC_SHARDS: String(syncShards) };
    const composition = super.compose(context, variables);
    const { history } = composition;
    return {
      ...composition,
      history: {
        head: () => history.head(),
        log: async (after, limit) => {
          const page = await history.log(after, limit);
          deliver(name, page);
          return page;
        },
      },
    };
  }

  override async committed(pushJson: string): Promise<string> {
    const name = this.ctx.id.name ?? "";
    const lost = controls.lostPushes[name] ?? 0;
    if (lost > 0) {
      controls.lostPushes = { ...controls.lostPushes, [name]: lost - 1 };
      throw new Error("lost by the test");
    }
    const { transactions } = JSON.parse(pushJson) as CommitPush;
    const answer = await super.committed(pushJson);
    deliver(name, transactions ?? []);
    return answer;
  }

  sockets(): number {
    return this.ctx.getWebSockets().length;
  }

  evict(): void {
    this.ctx.abort("evicted by the test");
  }
}

function deliver(name: string, transactions: readonly { readonly ts: number }[]): void {
  (controls.delivered[name] ??= []).push(...transactions.map(({ ts }) => ts));
}

interface Evictable {
  getByName(name: string): { evict(): Promise<void>; sockets(): Promise<number> };
}

interface Alarmed {
  getByName(name: string): { alarmTrouble(kind: string): Promise<void> };
}

const backends = new Map<string, Backend>();

export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/proof/")) return await control(pathname.slice("/proof/".length), request, env);
    const transactor = request.headers.get("x-transactor") ?? "transactor";
    let backend = backends.get(transactor);
    if (backend === undefined)
      backends.set(transactor, (backend = await composeBackend(instrumented(env, transactor, "worker"))));
    const app = request.url.startsWith(`${backend.siteUrl}/`) ? backend.site : backend.api;
    return app.fetch(request, { keepAlive: (promise: Promise<unknown>) => context.waitUntil(promise) });
  },
};

async function control(name: string, request: Request, env: Env): Promise<Response> {
  const body: unknown = request.method === "POST" ? await request.json() : null;
  switch (name) {
    case "controls":
      if (body !== null) Object.assign(controls, body);
      return Response.json({ ...controls, loaderIds: [...controls.loaderIds] });
    case "evict": {
      const { binding, name } = body as { readonly binding: string; readonly name: string };
      const { [binding]: namespace } = env as unknown as Record<string, Evictable>;
      // It dies before it can answer.
      await namespace
        ?.getByName(name)
        .evict()
        .catch(() => undefined);
      return Response.json(null);
    }
    case "alarm":
      await (env as unknown as { SCHEDULER: Alarmed }).SCHEDULER.getByName("scheduler").alarmTrouble(String(body));
      return Response.json(null);
    case "sockets": {
      const names = Array.from({ length: Number(body) }, (_, shard) => `sync-${shard}`);
      const { SYNC } = env as unknown as { readonly SYNC: Evictable };
      return Response.json(await Promise.all(names.map((shard) => SYNC.getByName(shard).sockets())));
    }
    case "sql":
      return Response.json((await env.DB.prepare(String(body)).all()).results);
    default:
      return new Response(null, { status: 404 });
  }
}
