import type { Credentials } from "../auth/authorization.ts";
import { catalogValuePrefix } from "../engine/commit/catalog-changes.ts";
import { DEPLOYMENT_STATE } from "../runtime/code/deployment-state.ts";
import type { ReadSet } from "../engine/read-set.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCall, FunctionOutcome } from "../protocol/execution.ts";
import type { FunctionPath } from "../protocol/function-path.ts";
import { type Identity, isPrivileged } from "../protocol/identity.ts";
import { encodeRpcError, encodeRpcValue } from "../protocol/rpc-error.ts";
import type { QueryResult } from "../runtime/functions/query-runner.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Log } from "../shared/log.ts";
import { moduleRole } from "../values/function-path.ts";
import {
  type ActionRequest,
  type AuthenticateRequest,
  encodeExecutedQuery,
  parseRequest,
  type QueryRequest,
} from "./function-messages.ts";
import type { ExecutedQuery } from "./ports.ts";
import type { Reads } from "./subscribed-query.ts";

export interface FunctionServerParts {
  readonly queries: { run(call: FunctionCall, at: Timestamp | null, journal: string | null): Promise<QueryResult> };
  readonly actions: { run(call: FunctionCall): Promise<FunctionOutcome> };
  /** `null`: there is no such function. */
  readonly system: {
    run(
      path: FunctionPath,
      args: string,
      identity: Identity,
      at: Timestamp | null,
      journal: string | null,
    ): Promise<QueryResult | null>;
  };
  readonly authenticate: (credentials: Credentials) => Promise<Identity>;
  readonly log: Log;
}

/** What the Worker does for Sync objects. Requests and answers are JSON text with a version. */
export class FunctionServer {
  readonly #parts: FunctionServerParts;

  constructor(parts: FunctionServerParts) {
    this.#parts = parts;
  }

  runQuery(requestJson: string): Promise<string> {
    return this.#answer(async () => {
      const { call, at, journal } = parseRequest<QueryRequest>(requestJson);
      return encodeExecutedQuery(await this.#runQuery(call, at as Timestamp, journal));
    });
  }

  runAction(requestJson: string): Promise<string> {
    return this.#answer(async () =>
      JSON.stringify(await this.#parts.actions.run(parseRequest<ActionRequest>(requestJson).call)),
    );
  }

  authenticate(requestJson: string): Promise<string> {
    return this.#answer(async () => {
      const { credentials } = parseRequest<AuthenticateRequest>(requestJson);
      return JSON.stringify(await this.#parts.authenticate(credentials));
    });
  }

  async #runQuery(call: FunctionCall, at: Timestamp, journal: string | null): Promise<ExecutedQuery> {
    if (moduleRole(call.path.module) === "system" && isPrivileged(call.identity)) {
      const result = await this.#parts.system.run(call.path, call.args, call.identity, at, journal);
      if (result !== null) return executed(result, plain(result.readSet));
    }
    const result = await this.#parts.queries.run(call, at, journal);
    // Whatever it reads, it does so by the app's code under the app's variables.
    return executed(result, [...plain(result.readSet), ["catalog", CODE_AND_VARIABLES]]);
  }

  async #answer(work: () => Promise<string>): Promise<string> {
    try {
      return encodeRpcValue(await work());
    } catch (error) {
      if (!(error instanceof CodedError)) this.#parts.log.error("sync.work", error);
      return encodeRpcError(error);
    }
  }
}

const CODE_AND_VARIABLES = [
  catalogValuePrefix("app"),
  catalogValuePrefix("env:"),
  catalogValuePrefix(DEPLOYMENT_STATE),
];

function executed({ outcome, readsIdentity }: QueryResult, reads: Reads): ExecutedQuery {
  return { outcome, reads, readsIdentity };
}

function plain(readSet: ReadSet): Reads {
  return [...readSet];
}
