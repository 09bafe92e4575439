import { CodedError, badRequest } from "../../shared/coded-error.ts";
import { ownValue } from "../../shared/own-value.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { App } from "../code/app.ts";
import type { Deployment } from "../code/deployments.ts";
import { parseFunctionPath } from "../../values/function-path.ts";
import type { SyscallArguments } from "../syscalls/arguments.ts";

/** Handles of one deployment: `function://…` to the path it was made from, or `Function handle not found` (E-A-8). */
export interface FunctionHandles {
  create(path: FunctionPath): Promise<string>;
  resolve(handle: string): Promise<FunctionPath>;
}

/** The key of handles is part of the catalog. */
export type FunctionHandlesOf = (deployment: Deployment) => FunctionHandles;

const CHILD = "_reference/childComponent/";
const FUNCTION = "_reference/function/";

/** Resolves the address members of a syscall (`abi.md` §2.1.6, 4.7), relative to the calling component. */
export async function resolveAddress(
  app: App,
  component: string,
  address: SyscallArguments,
  handles: FunctionHandles,
): Promise<FunctionPath> {
  const functionHandle = address.optionalString("functionHandle");
  if (functionHandle !== null) return resolveHandle(functionHandle, address.fn, handles);
  const reference = address.optionalString("reference");
  if (reference !== null) return resolveReference(app, component, reference);
  const name = address.optionalString("name");
  if (name !== null) return { component, ...parseFunctionPath(name) };
  throw badRequest("InvalidArguments", `Invalid arguments for \`${address.fn}\`: Missing required argument 'name'`);
}

async function resolveHandle(handle: string, fn: string, handles: FunctionHandles): Promise<FunctionPath> {
  try {
    return await handles.resolve(handle);
  } catch (error) {
    if (!(error instanceof CodedError && error.code === "InvalidFunctionHandle")) throw error;
    throw badRequest(error.code, `Invalid arguments for \`${fn}\`: ${error.message}`);
  }
}

function resolveReference(app: App, component: string, reference: string): FunctionPath {
  if (reference.startsWith(FUNCTION)) {
    return { component, ...parseFunctionPath(reference.slice(FUNCTION.length)) };
  }
  if (!reference.startsWith(CHILD)) {
    throw badRequest("InvalidReference", `Couldn't resolve ${reference}`);
  }
  const [child = "", ...attributes] = reference.slice(CHILD.length).split("/");
  const childPath = ownValue(app.component(component)?.children ?? {}, child);
  if (childPath === undefined) throw badRequest("InvalidReference", `Child component "${child}" not found`);
  const name = attributes.at(-1);
  const path: FunctionPath | null =
    name === undefined || attributes.length < 2
      ? null
      : { component: childPath, module: `${attributes.slice(0, -1).join("/")}.js`, function: name };
  if (path === null || app.resolve(path)?.visibility !== "public") {
    const names = attributes.map((attribute) => JSON.stringify(attribute)).join(", ");
    throw badRequest("InvalidReference", `Child component "${child}" does not export [${names}]`);
  }
  return path;
}
