import { Catalog } from "../../engine/catalog.ts";
import type { Persistence } from "../../engine/persistence.ts";
import type { ActiveApp } from "../../protocol/app.ts";
import type { TableMap } from "../../protocol/invocation.ts";
import type { Clock } from "../../shared/clock.ts";
import { isJsonObject, type JsonValue } from "../../shared/json.ts";
import type { SchemaLimits } from "../../values/limits.ts";
import { App } from "./app.ts";
import type { CodeSource } from "./code-source.ts";
import type { Variables } from "./variables.ts";

/** What is deployed at one catalog timestamp. Immutable. */
export interface Deployment {
  readonly catalog: Catalog;
  /** `null` before the first push. */
  readonly app: App | null;
  readonly variables: Variables;
}

/** Reads the environment variables out of the catalog values; they are encrypted at rest. */
export interface VariableReader {
  variables(values: ReadonlyMap<string, JsonValue>): Promise<Variables>;
}

/** Makes the deployment of a catalog. Keeps the last app and variables, which most changes of a catalog leave alone. */
export class DeploymentLoader {
  readonly #code: CodeSource;
  readonly #variables: VariableReader;
  readonly #schemaLimits: SchemaLimits;
  #last: Deployment | null = null;

  constructor(code: CodeSource, variables: VariableReader, schemaLimits: SchemaLimits) {
    this.#code = code;
    this.#variables = variables;
    this.#schemaLimits = schemaLimits;
  }

  async of(catalog: Catalog): Promise<Deployment> {
    const last = this.#last;
    if (last?.catalog === catalog) return last;
    const active = activeApp(catalog.values);
    const app = active === null ? null : await this.#app(active.version);
    const read = await this.#variables.variables(catalog.values);
    // Same variables, same object: isolate ids are looked up by identity.
    const variables = last !== null && sameVariables(last.variables, read) ? last.variables : read;
    const deployment: Deployment = { catalog, app, variables };
    if (this.#last === null || this.#last.catalog.ts <= catalog.ts) this.#last = deployment;
    return deployment;
  }

  async #app(version: string): Promise<App> {
    const known = this.#last?.app ?? null;
    if (known?.version.version === version) return known;
    return new App(await this.#code.app(version), this.#schemaLimits);
  }
}

export interface CurrentDeployment {
  current(): Promise<Deployment>;
  /** Forgets the lease: the next call reads the head. For an isolate that just changed the catalog, or saw it change. */
  expire(): void;
}

/**
 * The deployment as this isolate knows it, under a lease: it is used without asking for `leaseMs` after the moment
 * its reading began. A push or a change of variables answers only when that time has passed since its commit, so no
 * call that starts after the answer runs old code, and calls in between cost no round trip.
 *
 * Values are cached, never promises: a promise of one request must not be awaited by another in a Worker.
 *
 * ```
 *   read head ──── lease of isolate A ────┤
 *        commit of a push
 *                └──── leaseMs ────┤ finish_push answers: every lease taken before the commit has run out
 * ```
 */
export class Deployments implements CurrentDeployment {
  readonly #persistence: Persistence;
  readonly #loader: DeploymentLoader;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  #current: Deployment | null = null;
  #leaseEnd = 0;

  constructor(options: {
    readonly persistence: Persistence;
    readonly loader: DeploymentLoader;
    readonly clock: Clock;
    readonly leaseMs: number;
  }) {
    this.#persistence = options.persistence;
    this.#loader = options.loader;
    this.#clock = options.clock;
    this.#leaseMs = options.leaseMs;
  }

  async current(): Promise<Deployment> {
    const started = this.#clock.now();
    if (this.#current !== null && started < this.#leaseEnd) return this.#current;
    const { head } = await this.#persistence.read([], "latest");
    if (this.#current === null || head.catalogTs !== this.#current.catalog.ts) return this.#load(started);
    this.#leaseEnd = started + this.#leaseMs;
    return this.#current;
  }

  expire(): void {
    this.#leaseEnd = 0;
  }

  async #load(started: number): Promise<Deployment> {
    const rows = await this.#persistence.loadCatalog();
    const deployment = await this.#loader.of(new Catalog(rows));
    if (this.#current === null || this.#current.catalog.ts <= deployment.catalog.ts) {
      this.#current = deployment;
      this.#leaseEnd = started + this.#leaseMs;
    }
    return deployment;
  }
}

export function activeApp(values: ReadonlyMap<string, JsonValue>): ActiveApp | null {
  const value = values.get("app");
  if (!isJsonObject(value)) return null;
  const { version, generation } = value;
  return typeof version === "string" && typeof generation === "number" ? { version, generation } : null;
}

function sameVariables(a: Variables, b: Variables): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** Table numbers by component, for the isolate's synchronous id checks. */
export function tableMap(catalog: Catalog): TableMap {
  const tables: Record<string, Record<string, number>> = {};
  for (const table of catalog.tables()) {
    (tables[table.component] ??= {})[table.name] = table.number;
  }
  return { version: String(catalog.ts), tables };
}
