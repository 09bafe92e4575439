import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";
import { loadActiveApp } from "./active-app.ts";
import { commitWithRetry } from "./catalog-retry.ts";
import { sha256Hex } from "./digest.ts";
import { matchesDeclaration, mismatchedVariable, missingVariables } from "./environment-declarations.ts";
import type { EnvironmentCipher } from "./environment-cipher.ts";
import type { DeploymentEvent } from "./history.ts";
import type { DeployPorts } from "./ports.ts";
import type { EnvironmentChange } from "./push-body.ts";

const PREFIX = "env:";

type EnvironmentPorts = Pick<
  DeployPorts,
  "persistence" | "committer" | "cipher" | "code" | "rules" | "settings" | "waitForLeases" | "history"
>;

/** The deployment's environment variables: catalog values `env:<NAME>`, encrypted. */
export class Environment {
  readonly #ports: EnvironmentPorts;

  constructor(ports: EnvironmentPorts) {
    this.#ports = ports;
  }

  /** Set by the user, in the order of their names; built-in ones left out. */
  async list(): Promise<readonly { readonly name: string; readonly value: string }[]> {
    const { values } = await this.#ports.persistence.loadCatalog();
    const variables = await openVariables(values, this.#ports.cipher);
    return [...variables].map(([name, value]) => ({ name, value }));
  }

  /** All of the changes or none. When it returns, every later call sees them. */
  async update(changes: readonly EnvironmentChange[]): Promise<void> {
    const { persistence, committer, cipher, rules } = this.#ports;
    this.#refuseBuiltins(changes);
    const sealed = await Promise.all(
      [...lastOfEach(changes)].map(async ([name, value]) => ({
        key: PREFIX + name,
        value: value === null ? null : await cipher.seal(name, value),
      })),
    );
    const history = await this.#ports.history.begin();
    await commitWithRetry(committer, async () => {
      const { head, values } = await persistence.loadCatalog();
      const variables = new Map(await openVariables(values, cipher));
      const events = [...lastOfEach(changes)].flatMap(([name, value]) => eventOf(name, value, variables.has(name)));
      for (const [name, value] of lastOfEach(changes)) {
        if (value === null) variables.delete(name);
        else variables.set(name, value);
      }
      rules.checkVariables(Object.fromEntries(variables));
      await this.#checkDeclared(changes, variables, values);
      return { expectedCatalogTs: head.catalogTs, change: { values: [...sealed, ...history.changes(values, events)] } };
    });
    await this.#ports.history.record();
    await this.#ports.waitForLeases();
  }

  #refuseBuiltins(changes: readonly EnvironmentChange[]): void {
    for (const { name } of changes) {
      if (Object.hasOwn(this.#ports.settings.builtinVariables, name)) {
        throw new CodedError(
          "BadRequest",
          "EnvVarNameForbidden",
          `Environment variable with name "${name}" is built-in and cannot be overridden`,
        );
      }
    }
  }

  /** Of what the active app declares, only the variables in question are checked. */
  async #checkDeclared(
    changes: readonly EnvironmentChange[],
    variables: ReadonlyMap<string, string>,
    values: ReadonlyMap<string, JsonValue>,
  ): Promise<void> {
    const active = await loadActiveApp(values, this.#ports.code);
    const declared = active?.app.components[""]?.declaredEnvironment ?? {};
    for (const { name } of changes) {
      const declaration = Object.hasOwn(declared, name) ? declared[name] : undefined;
      if (declaration === undefined) continue;
      const value = variables.get(name);
      if (value === undefined && !declaration.optional) throw missingVariables([name]);
      if (value !== undefined && !matchesDeclaration(declaration.validator, value)) throw mismatchedVariable(name);
    }
  }
}

export async function openVariables(
  values: ReadonlyMap<string, JsonValue>,
  cipher: EnvironmentCipher,
): Promise<ReadonlyMap<string, string>> {
  const stored = [...values].filter(([key]) => key.startsWith(PREFIX)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    await Promise.all(
      stored.map(async ([key, value]): Promise<[string, string]> => {
        const name = key.slice(PREFIX.length);
        return [name, await cipher.open(name, value)];
      }),
    ),
  );
}

/** Says that no variable changed, without telling what any of them is. */
export async function environmentDigests(
  variables: ReadonlyMap<string, string>,
  cipher: EnvironmentCipher,
): Promise<{ readonly each: Readonly<Record<string, string>>; readonly all: string }> {
  const each = Object.fromEntries(
    await Promise.all([...variables].map(async ([name, value]) => [name, await cipher.digest(name, value)] as const)),
  );
  return { each, all: await sha256Hex(JSON.stringify(Object.entries(each))) };
}

/** Without the value: variables are secrets. */
function eventOf(name: string, value: string | null, existed: boolean): readonly DeploymentEvent[] {
  if (value === null && !existed) return [];
  const verb = value === null ? "delete" : existed ? "update" : "create";
  return [{ action: `${verb}_environment_variable`, metadata: { variable_name: name } }];
}

/** A name that occurs twice has its last value. */
function lastOfEach(changes: readonly EnvironmentChange[]): ReadonlyMap<string, string | null> {
  return new Map(changes.map(({ name, value }) => [name, value ?? null]));
}
