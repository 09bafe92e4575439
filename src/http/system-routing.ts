import { requireWriteAccess } from "../auth/authorization.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, FunctionOutcome, MutationCall } from "../protocol/execution.ts";
import { isPrivileged } from "../protocol/identity.ts";
import type { SystemFunctions } from "../system/system-functions.ts";
import { SYSTEM_MUTATIONS } from "../system/system-mutations.ts";
import { displayPath, moduleRole } from "../values/function-path.ts";
import type { AnyOutcome, FunctionService } from "./services.ts";

/**
 * Answers admins' queries of `_system/` paths itself; the Transactor does so for mutations. For everybody else, and for
 * actions, such a function does not exist, which the functions of the app say in their own words.
 */
export class SystemRouting implements FunctionService {
  readonly #inner: FunctionService;
  readonly #system: Pick<SystemFunctions, "run">;

  constructor(inner: FunctionService, system: Pick<SystemFunctions, "run">) {
    this.#inner = inner;
    this.#system = system;
  }

  async runQuery(call: FunctionCall, at?: Timestamp): Promise<FunctionOutcome> {
    return (await this.#runSystem(call, at)) ?? this.#inner.runQuery(call, at);
  }

  runMutation(call: MutationCall): Promise<FunctionOutcome> {
    return this.#inner.runMutation(call);
  }

  runAction(call: FunctionCall): Promise<FunctionOutcome> {
    return this.#inner.runAction(call);
  }

  async runAny(call: FunctionCall): Promise<AnyOutcome> {
    if (isSystem(call) && isPrivileged(call.identity) && SYSTEM_MUTATIONS.has(displayPath(call.path))) {
      requireWriteAccess(call.identity);
      return { udfType: "Mutation", outcome: await this.runMutation({ ...call, v: 1, idempotency: null }) };
    }
    const outcome = await this.#runSystem(call);
    return outcome === null ? this.#inner.runAny(call) : { udfType: "Query", outcome };
  }

  async queryBatch(calls: readonly FunctionCall[]): Promise<readonly FunctionOutcome[]> {
    if (!calls.some(isSystem)) return this.#inner.queryBatch(calls);
    const ts = await this.latestTs();
    return Promise.all(calls.map((call) => this.runQuery(call, ts)));
  }

  latestTs(): Promise<Timestamp> {
    return this.#inner.latestTs();
  }

  async #runSystem(call: FunctionCall, at?: Timestamp): Promise<FunctionOutcome | null> {
    if (!isSystem(call) || !isPrivileged(call.identity)) return null;
    const result = await this.#system.run(call.path, call.args, call.identity, at ?? null);
    return result?.outcome ?? null;
  }
}

function isSystem({ path }: FunctionCall): boolean {
  return moduleRole(path.module) === "system";
}
