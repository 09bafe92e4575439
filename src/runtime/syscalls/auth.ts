import { userAttributes } from "../../auth/identity.ts";
import type { Identity } from "../../protocol/identity.ts";
import { badRequest } from "../../shared/coded-error.ts";
import { isJsonObject, type JsonValue } from "../../shared/json.ts";
import type { DatabaseExecution } from "../functions/database-execution.ts";
import { SyscallArguments } from "./arguments.ts";

/** Attributes of the user, `null` for anonymous callers, plain admin keys and system work (`abi.md` §2.3.3). */
export function getUserIdentity(identity: Identity): Promise<string> {
  return Promise.resolve(JSON.stringify(userAttributes(identity)));
}

/** Mutations only. A component signs under an issuer of its own. */
export async function signJwt({ scope, found, component }: DatabaseExecution, json: JsonValue): Promise<string> {
  if (found.udfType !== "Mutation") throw badRequest("UnknownAsyncOperation", "Unknown async operation 1.0/signJwt");
  const args = new SyscallArguments(json, "signJwt");
  args.checkVersion();
  const claims = args.value("claims") ?? {};
  if (!isJsonObject(claims)) throw args.invalid("claims", "expected an object");
  const expiresInSeconds = args.value("expiresInSeconds");
  if (typeof expiresInSeconds !== "number") throw args.invalid("expiresInSeconds", "expected a number");
  const { runtime, deployment, now } = scope;
  const issuer = component === "" ? runtime.cloudUrl : `${runtime.cloudUrl}/components/${component}`;
  return JSON.stringify(
    await runtime.jwtSigner.sign(deployment.catalog.values, { issuer, claims, expiresInSeconds, now }),
  );
}
