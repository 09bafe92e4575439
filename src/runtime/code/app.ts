import type { AppVersion, ComponentVersion } from "../../protocol/app.ts";
import type { UdfType } from "../../protocol/execution.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { FunctionTarget } from "../../protocol/invocation.ts";
import type { ExportedFunction } from "../../values/exported-functions.ts";
import type { JsonValue } from "../../shared/json.ts";
import { ownValue } from "../../shared/own-value.ts";
import { compileValidator } from "../../values/compile-validator.ts";
import type { Validator } from "../../values/validator.ts";
import type { SchemaLimits } from "../../values/limits.ts";
import { parseSchema } from "../../values/parse-schema.ts";
import type { Schema } from "../../values/schema.ts";

/** A function that exists, with its validators compiled. */
export interface ResolvedFunction {
  readonly path: FunctionPath;
  readonly target: FunctionTarget;
  readonly udfType: UdfType;
  readonly visibility: ExportedFunction["visibility"];
  readonly environment: "isolate" | "node";
  /** `null` = any. */
  readonly args: Validator | null;
  readonly returns: Validator | null;
}

/** One pushed version, ready to run: functions by path, schemas compiled. Built once per version and isolate. */
export class App {
  readonly version: AppVersion;
  readonly #functions = new Map<string, ResolvedFunction | null>();
  readonly #schemas = new Map<string, Schema | null>();
  readonly #limits: SchemaLimits;

  constructor(version: AppVersion, limits: SchemaLimits) {
    this.version = version;
    this.#limits = limits;
  }

  component(path: string): ComponentVersion | undefined {
    return ownValue(this.version.components, path);
  }

  schema(component: string): Schema | null {
    const known = this.#schemas.get(component);
    if (known !== undefined) return known;
    const json = this.component(component)?.schema ?? null;
    const schema = json === null ? null : parseSchema(json, this.#limits);
    this.#schemas.set(component, schema);
    return schema;
  }

  /** `null` when the module or the export does not exist. */
  resolve(path: FunctionPath): ResolvedFunction | null {
    const key = `${path.component}\u0000${path.module}\u0000${path.function}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const resolved = this.#resolve(path);
    this.#functions.set(key, resolved);
    return resolved;
  }

  #resolve(path: FunctionPath): ResolvedFunction | null {
    const component = this.component(path.component);
    const module = component === undefined ? undefined : ownValue(component.modules, path.module);
    const analyzed = module?.functions.find((candidate) => candidate.name === path.function);
    if (component === undefined || module === undefined || analyzed === undefined) return null;
    return {
      path,
      target: {
        component: path.component,
        module: `${component.modulePrefix}${path.module}`,
        path: path.module,
        export: path.function,
      },
      udfType: analyzed.kind,
      visibility: analyzed.visibility,
      environment: module.environment,
      args: compile(analyzed.args),
      returns: compile(analyzed.returns),
    };
  }
}

function compile(json: string | null): Validator | null {
  if (json === null) return null;
  const parsed: JsonValue = JSON.parse(json);
  return parsed === null ? null : compileValidator(parsed);
}
