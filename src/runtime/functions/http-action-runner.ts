import type { FunctionCall, RequestContext } from "../../protocol/execution.ts";
import type { Identity } from "../../protocol/identity.ts";
import type { CodedError } from "../../shared/coded-error.ts";
import type { App, ResolvedFunction } from "../code/app.ts";
import type { CurrentDeployment, Deployment } from "../code/deployments.ts";
import type { ActionExecution } from "./action-execution.ts";
import type { RuntimeEnvironment } from "./environment.ts";
import { Execution } from "./execution.ts";
import { type HttpActionAnswer, HttpActionRun, type IncomingRequest } from "./http-action-run.ts";
import { HTTP_MODULE, type HttpRoute, routeHttp } from "./http-routing.ts";

export interface HttpActionCall {
  readonly identity: Identity;
  /** The request carried a token that was refused: `ctx.auth.getUserIdentity()` throws it, nothing else does. */
  readonly identityError: CodedError | null;
  readonly context: RequestContext;
  /** Aborted when the client hangs up. The action goes on, and may ask. */
  readonly client: AbortSignal;
}

export interface HttpActionSettings {
  readonly responseBytes: number;
  readonly keepAlive: (work: Promise<unknown>) => void;
}

/** What HTTP actions may call. */
type Callees = Pick<ActionExecution, "queries" | "committer" | "uploads" | "actions">;

/** Finds the HTTP action of a request and runs it, at most once, like every action. */
export class HttpActionRunner {
  readonly #runtime: RuntimeEnvironment;
  readonly #deployments: CurrentDeployment;
  readonly #callees: Callees;
  readonly #settings: HttpActionSettings;

  constructor(
    runtime: RuntimeEnvironment,
    deployments: CurrentDeployment,
    callees: Callees,
    settings: HttpActionSettings,
  ) {
    this.#runtime = runtime;
    this.#deployments = deployments;
    this.#callees = callees;
    this.#settings = settings;
  }

  async serve(request: IncomingRequest, call: HttpActionCall): Promise<HttpActionAnswer> {
    const deployment = await this.#deployments.current();
    const { app } = deployment;
    const route = routeHttp(app, request.path, request.method);
    if (app === null || route === "disabled") return { kind: "disabled" };
    if (route === "unrouted") return { kind: "unrouted" };
    const run = this.#run({ ...deployment, app }, route, request.method, call);
    // A place is held until the last byte, long after the answer's head.
    const whole = this.#runtime.admission.actions.admit(() => run.run(request, route.path));
    this.#settings.keepAlive(whole.catch((error: unknown) => run.broken(error)));
    return run.answer;
  }

  #run(
    deployment: Deployment & { readonly app: App },
    route: HttpRoute,
    method: string,
    { identity, identityError, context, client }: HttpActionCall,
  ): HttpActionRun {
    const runtime = this.#runtime;
    const found = resolved(deployment.app, route.component);
    const call: FunctionCall = {
      path: found.path,
      args: "[]",
      identity,
      context: { ...context, caller: "HttpEndpoint" },
      visibility: "internal",
    };
    const parts = { runtime, deployment, found, call, identityError, client, depth: 0, ...this.#callees };
    const record = new Execution(runtime, call, "HttpAction", `${method} ${route.route}`);
    return new HttpActionRun(parts, record, this.#settings.responseBytes);
  }
}

function resolved(app: App, component: string): ResolvedFunction {
  return {
    path: { component, module: HTTP_MODULE, function: "default" },
    target: {
      component,
      module: `${app.component(component)?.modulePrefix ?? ""}${HTTP_MODULE}`,
      path: HTTP_MODULE,
      export: "default",
    },
    udfType: "HttpAction",
    visibility: "public",
    environment: "isolate",
    args: null,
    returns: null,
  };
}
