import { CodedError, type ErrorClass } from "../shared/coded-error.ts";
import { formatBytesCompact } from "../values/format-bytes.ts";
import { METRICS, type Metric, type TransactionLimits } from "./limits.ts";

const READ_ADVICE =
  " Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";

interface LimitText {
  readonly code: string;
  /** Follows "Too" in errors, and begins the warning. */
  readonly excess: string;
  /** Read limits end a page of a paginated query instead of failing it. */
  readonly isRead?: true;
  readonly isBytes?: true;
}

const EXECUTION = "in a single function execution";

const TEXTS: Readonly<Record<Metric, LimitText>> = {
  documentsRead: { code: "TooManyDocumentsRead", excess: `many documents read ${EXECUTION}`, isRead: true },
  databaseQueries: { code: "TooManyReads", excess: `many reads ${EXECUTION}`, isRead: true },
  bytesRead: { code: "TooManyBytesRead", excess: `many bytes read ${EXECUTION}`, isRead: true, isBytes: true },
  documentsWritten: { code: "TooManyWrites", excess: `many writes ${EXECUTION}` },
  bytesWritten: { code: "TooManyBytesWritten", excess: `many bytes written ${EXECUTION}`, isBytes: true },
  functionsScheduled: { code: "TooManyFunctionsScheduled", excess: "many functions scheduled by this mutation" },
  scheduledFunctionArgsBytes: {
    code: "ScheduledFunctionsArgumentsTooLarge",
    excess: "large total size of the arguments of scheduled functions from this mutation",
    isBytes: true,
  },
  filesWritten: { code: "TooManyFilesWritten", excess: `many files written ${EXECUTION}` },
  fileWriteBytes: { code: "TooManyFileBytesWritten", excess: `many file bytes written ${EXECUTION}`, isBytes: true },
  filesRead: { code: "TooManyFilesRead", excess: `many files read ${EXECUTION}` },
  fileReadBytes: { code: "TooManyFileBytesRead", excess: `many file bytes read ${EXECUTION}`, isBytes: true },
};

/** Share of the limit from which on a warning is logged: 3072 of 4096 queries (`features.md` §2.0), four fifths of the rest. */
function warnAt(metric: Metric): number {
  return metric === "databaseQueries" ? 0.75 : 0.8;
}

function unitOf({ isBytes }: LimitText): string {
  return isBytes === true ? " bytes" : "";
}

/** E-F-13, E-F-14. `note` follows the text. */
export function limitError(metric: Metric, limit: number, note = ""): CodedError {
  const text = TEXTS[metric];
  const amount = metric === "bytesWritten" ? formatBytesCompact(limit) : `${limit}${unitOf(text)}`;
  const [errorClass, advice]: [ErrorClass, string] =
    text.isRead === true ? ["PaginationLimit", `.${READ_ADVICE}`] : ["BadRequest", ""];
  return new CodedError(errorClass, text.code, `Too ${text.excess} (limit: ${amount})${advice}${note}`);
}

/** A line for the function's log: level WARN, metadata code `warning:<code>`. */
export interface LimitWarning {
  readonly code: string;
  readonly message: string;
}

/** E-F-18, in the order of the reference. */
export function usageWarnings(used: Readonly<Record<Metric, number>>, limits: TransactionLimits): LimitWarning[] {
  const warnings: LimitWarning[] = [];
  for (const metric of METRICS) {
    const text = TEXTS[metric];
    const what = text.excess.charAt(0).toUpperCase() + text.excess.slice(1);
    const warning = approaching(what, used[metric], limits[metric], unitOf(text), warnAt(metric));
    const advice = text.isRead === true ? READ_ADVICE : "";
    if (warning !== null) warnings.push({ code: text.code, message: `${warning}.${advice}` });
  }
  return warnings;
}

/** Arguments of one scheduled function from which on a warning is logged (E-F-13). Bytes. */
const LARGE_SCHEDULED_ARGS = 4 * 1024 * 1024;

export function scheduledWarning(largestArgsBytes: number): LimitWarning[] {
  if (largestArgsBytes <= LARGE_SCHEDULED_ARGS) return [];
  const message =
    "Large arguments for a single scheduled function from this mutation. This will become a hard error in the future " +
    `(actual: ${largestArgsBytes} bytes, limit: ${LARGE_SCHEDULED_ARGS} bytes).`;
  return [{ code: "ScheduledFunctionArgumentsTooLarge", message }];
}

/** `null` unless `actual` is beyond `share` of the limit, yet not over it. No full stop. */
export function approaching(what: string, actual: number, limit: number, unit = "", share = 0.8): string | null {
  if (actual <= limit * share || actual > limit) return null;
  return `${what} (actual: ${actual}${unit}, limit: ${limit}${unit})`;
}
