import { badRequest, type CodedError } from "../shared/coded-error.ts";

/** What is wrong with the file or does not fit the deployment: ends the import with this text. */
export function importError(message: string): CodedError {
  return badRequest("ImportFailed", message);
}
