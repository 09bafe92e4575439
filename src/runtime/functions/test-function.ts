import type { Persistence } from "../../engine/persistence.ts";
import type { FunctionOutcome, RequestContext } from "../../protocol/execution.ts";
import type { Identity } from "../../protocol/identity.ts";
import { badRequest } from "../../shared/coded-error.ts";
import { parseModulePath } from "../../values/function-path.ts";
import { TestCode, type TestModule } from "../code/test-code.ts";
import type { RuntimeEnvironment } from "./environment.ts";
import { plainFailure } from "./failure.ts";
import { QueryRunner } from "./query-runner.ts";

export interface TestFunctionCall extends TestModule {
  /** ConvexJSON text: an array of positional arguments. */
  readonly args: string;
  readonly identity: Identity;
  readonly context: RequestContext;
}

/** Runs source that was never pushed, as a query: it reads what the app's own queries can read and writes nothing. */
export class TestFunctions {
  readonly #runtime: RuntimeEnvironment;
  readonly #persistence: Persistence;
  readonly #parts: ConstructorParameters<typeof TestCode>[1];

  constructor(runtime: RuntimeEnvironment, persistence: Persistence, parts: ConstructorParameters<typeof TestCode>[1]) {
    this.#runtime = runtime;
    this.#persistence = persistence;
    this.#parts = parts;
  }

  async runQuery(call: TestFunctionCall): Promise<FunctionOutcome> {
    const { component, args, identity, context } = call;
    const path = parseModulePath(call.path);
    const { app } = await this.#parts.deployments.current();
    if (app === null) {
      return { ok: false, error: plainFailure("No code has been pushed to this deployment yet.\n"), logLines: [] };
    }
    if (app.component(component) === undefined) {
      throw badRequest("ComponentNotFound", `There is no component with the id "${component}".`);
    }
    const code = new TestCode({ component, path, source: call.source }, this.#parts);
    const queries = new QueryRunner({ ...this.#runtime, isolates: code }, code, this.#persistence);
    const { outcome } = await queries.run(
      {
        path: { component, module: path, function: "default" },
        args,
        identity,
        context: { ...context, caller: "Tester" },
        visibility: "internal",
      },
      null,
      null,
    );
    return outcome;
  }
}
