import { formatBytes } from "../../values/format-bytes.ts";
import { isJsonObject } from "../../shared/json.ts";

const MIB = 1024 * 1024;

/** One operation of user code; with those it shares a message with it stays below the platform's 32 MiB. */
export const MESSAGE_BYTES = 27 * MIB;
/** Below this many characters no encoding can reach the limit. */
const MEASURED_FROM = 4 * MIB;

/** What `args` takes inside a message, where it is text within JSON text, two bytes per character beyond Latin-1. */
export function messageBytes(args: string): number {
  if (args.length < MEASURED_FROM) return args.length;
  // oxlint-disable-next-line no-control-regex -- all of Latin-1
  return JSON.stringify(args).length * (/^[\u0000-\u00ff]*$/.test(args) ? 1 : 2);
}

/** The host would refuse it too, but it cannot even be asked. */
export function tooLarge(op: string, args: string, size: number, argumentBytes: number): Error {
  const callee = calledFunction(op, args);
  if (callee !== undefined) {
    const limit = formatBytes(Math.min(argumentBytes, MESSAGE_BYTES));
    return new Error(`Arguments for ${callee} are too large (actual: ${formatBytes(size)}, limit: ${limit})`);
  }
  return new Error(`Value is too large (${formatBytes(size)} > maximum size 32 MiB)`);
}

function calledFunction(op: string, args: string): string | undefined {
  if (op !== "1.0/runUdf" && !op.startsWith("1.0/actions/")) return undefined;
  const parsed: unknown = JSON.parse(args);
  if (!isJsonObject(parsed)) return undefined;
  const name = parsed["name"] ?? parsed["reference"] ?? parsed["functionHandle"];
  return typeof name === "string" ? name.replace(/(\.js)?(:[^:]*)$/, ".js$2") : undefined;
}
