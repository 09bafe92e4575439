import type { Modification, RequestResult, ResultText, ServerMessage, StateVersion } from "../protocol/sync.ts";
import { encodeWireTimestamp } from "../protocol/wire-timestamp.ts";

/** JSON text of a server message. Values are spliced in as text, never parsed. */
export function encodeServerMessage(message: ServerMessage): string {
  switch (message.type) {
    case "Transition": {
      const { startVersion, endVersion, modifications, clientClockSkew, serverTime } = message;
      return (
        `{"type":"Transition","startVersion":${version(startVersion)},"endVersion":${version(endVersion)},` +
        `"modifications":[${modifications.map(modification).join(",")}],` +
        // An integer literal of nanoseconds, which a double could not hold exactly.
        `"clientClockSkew":${clientClockSkew},"serverTs":${Math.trunc(serverTime)}000000}`
      );
    }
    case "MutationResponse":
    case "ActionResponse": {
      const { type, requestId, result, logLines, ts } = message;
      const timestamp = ts === undefined ? "" : `,"ts":${ts === null ? "null" : `"${encodeWireTimestamp(ts)}"`}`;
      return (
        `{"type":"${type}","requestId":${requestId},${resultFields(result)}${timestamp},` +
        `"logLines":${JSON.stringify(logLines)}}`
      );
    }
    case "AuthError":
    case "FatalError":
      return JSON.stringify(message);
    default:
      return message satisfies never;
  }
}

export function queryUpdated(value: string, logLines: readonly string[], journal: string | null): ResultText {
  const fields = `"value":${value},"logLines":${JSON.stringify(logLines)},"journal":${JSON.stringify(journal)}`;
  return { type: "QueryUpdated", fields };
}

export function queryFailed(
  { message, data }: { readonly message: string; readonly data?: string },
  logLines: readonly string[],
  journal: string | null,
): ResultText {
  const errorData = data === undefined ? "" : `,"errorData":${data}`;
  return {
    type: "QueryFailed",
    fields:
      `"errorMessage":${JSON.stringify(message)}${errorData},` +
      `"logLines":${JSON.stringify(logLines)},"journal":${JSON.stringify(journal)}`,
  };
}

function version({ querySet, identity, ts }: StateVersion): string {
  return `{"querySet":${querySet},"identity":${identity},"ts":"${encodeWireTimestamp(ts)}"}`;
}

function modification({ queryId, result }: Modification): string {
  if (result === "removed") return `{"type":"QueryRemoved","queryId":${queryId}}`;
  return `{"type":"${result.type}","queryId":${queryId},${result.fields}}`;
}

function resultFields(result: RequestResult): string {
  if (result.ok) return `"success":true,"result":${result.value}`;
  const errorData = result.data === undefined ? "" : `,"errorData":${result.data}`;
  return `"success":false,"result":${JSON.stringify(result.message)}${errorData}`;
}
