import type { Bindings } from "../../src/compose/environment.ts";
import backend, { Scheduler as RealScheduler, Transactor as RealTransactor } from "../../src/worker.ts";

export { FileSweeper, Logs, ScheduledActions, Search, Sync, SyncWork, Transfers } from "../../src/worker.ts";
import { newCosts, type Costs } from "./costs.ts";

/**
 * The backend's Worker, with its bindings counted: what D1 says it read and wrote, and which isolates were asked for.
 * Worker and Transactor share one isolate in the local runtime, so one account holds both.
 */
let costs: Costs = newCosts();

export class Transactor extends RealTransactor {
  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, counted(bindings));
  }
}

export class Scheduler extends RealScheduler {
  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, counted(bindings));
  }
}

export default {
  async fetch(request: Request, bindings: Bindings, context: ExecutionContext): Promise<Response> {
    // Answers the costs since it was last asked.
    if (new URL(request.url).pathname === "/costs") {
      const since = costs;
      costs = newCosts();
      return Response.json(since);
    }
    return backend.fetch(request, counted(bindings), context);
  },
  scheduled: (event: ScheduledController, bindings: Bindings) => backend.scheduled(event, counted(bindings)),
};

let known: Bindings | undefined;

function counted(bindings: Bindings): Bindings {
  return (known ??= { ...bindings, DB: countedDatabase(bindings.DB), LOADER: countedLoader(bindings.LOADER) });
}

/** Everything the backend does per call goes through `batch`. */
function countedDatabase(database: D1Database): D1Database {
  return new Proxy(database, {
    get(target, name) {
      if (name === "batch") return (statements: D1PreparedStatement[]) => countedBatch(target, statements);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

async function countedBatch(database: D1Database, statements: D1PreparedStatement[]): Promise<D1Result[]> {
  const answers = await database.batch(statements);
  costs.roundTrips += 1;
  for (const { meta, results } of answers) {
    costs.rowsRead += meta.rows_read;
    costs.rowsWritten += meta.rows_written;
    costs.bytesAnswered += JSON.stringify(results).length;
    costs.databaseBytes = meta.size_after;
  }
  return answers;
}

function countedLoader(loader: WorkerLoader): WorkerLoader {
  const used = (id: string): void => {
    if (!costs.loaderIds.includes(id)) costs.loaderIds.push(id);
  };
  return new Proxy(loader, {
    get(target, name) {
      if (name === "get") {
        return (id: string, code: () => WorkerLoaderWorkerCode) => {
          used(id);
          return target.get(id, code);
        };
      }
      // A Worker without an id is billed as one of its own.
      if (name === "load") {
        return (code: WorkerLoaderWorkerCode) => {
          used(`load ${costs.loaderIds.length}`);
          return target.load(code);
        };
      }
      return Reflect.get(target, name) as unknown;
    },
  });
}
