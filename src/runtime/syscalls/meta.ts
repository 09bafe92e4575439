import type { RequestContext, UdfType } from "../../protocol/execution.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { Identity } from "../../protocol/identity.ts";
import { badRequest } from "../../shared/coded-error.ts";
import { displayPath } from "../../values/function-path.ts";

export function functionMetadata(path: FunctionPath): Promise<string> {
  return Promise.resolve(JSON.stringify({ name: displayPath(path), componentPath: path.component }));
}

export function deploymentMetadata(instanceName: string): Promise<string> {
  return Promise.resolve(JSON.stringify({ name: instanceName, region: null, class: "s16" }));
}

/** `authToken` is the raw JWT of a user, `null` for everyone else (`abi.md` §2.3.2). */
export function requestMetadata(context: RequestContext, identity: Identity, udfType: UdfType): Promise<string> {
  if (udfType === "Query") {
    return Promise.reject(badRequest("NoRequestMetadataInQueries", "Cannot get request metadata in a Query"));
  }
  return Promise.resolve(
    JSON.stringify({
      ip: context.ip,
      userAgent: context.userAgent,
      requestId: context.requestId,
      scheduledFunctionId: context.scheduledFunctionId,
      authToken: identity.kind === "user" ? identity.token : null,
    }),
  );
}
