import { define } from "./define.ts";
import { importingModule, isolateEnv } from "./import-phase.ts";
import { currentCall } from "./running.ts";

const NAME = /^[a-zA-Z_]+[a-zA-Z0-9_]*$/;
const NAME_LIMIT = 256;

function checkName(name: string): void {
  if (name.length > NAME_LIMIT) {
    throw new Error(
      `The environment variable name ${name} is too long. Environment variable names must be less than 256.`,
    );
  }
  if (!NAME.test(name)) {
    throw new Error(
      `The environment variable name ${name} is invalid. Environment variable names must begin with a letter and ` +
        "may only include characters a-z, A-Z, 0-9, and underscores.",
    );
  }
}

function variable(component: string, name: string): string | undefined {
  const variables = isolateEnv.variables[component];
  return variables !== undefined && Object.hasOwn(variables, name) ? variables[name] : undefined;
}

/** At import, modules of a component definition see the variables of the instance of the same name, if there is one. */
function componentOfModule(key: string): string {
  if (!key.startsWith("components/")) return "";
  return key.slice("components/".length, key.lastIndexOf("/"));
}

function readAtImport(name: string): string | undefined {
  const module = importingModule();
  if (module === undefined) return variable("", name);
  const value = variable(componentOfModule(module.key), name);
  switch (module.evaluation) {
    case "module":
      return value;
    case "schema":
      throw new Error("Environment variables unsupported when evaluating schema");
    case "definition":
      if (module.key.startsWith("app/")) return value;
      throw new Error("Environment variables are only supported in the app's convex.config.ts.");
    case "authConfig":
      if (value !== undefined) return value;
      throw new Error(`Environment variable ${name} is used in auth config file but its value was not set`);
    default:
      return module.evaluation satisfies never;
  }
}

export function installEnvironmentVariables(): void {
  const variables = new Proxy(
    {},
    {
      get(_target, name) {
        if (typeof name !== "string") return undefined;
        if (name === "inspect") return () => "[process.env]";
        checkName(name);
        const call = currentCall();
        return call === undefined ? readAtImport(name) : variable(call.invocation.target.component, name);
      },
    },
  );
  define(globalThis, "process", { env: variables });
}
