import { CodedError } from "../shared/coded-error.ts";

export function importNotFound(): CodedError {
  return new CodedError("NotFound", "ImportNotFound", "There is no such import.");
}
