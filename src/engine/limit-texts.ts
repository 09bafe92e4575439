import { CodedError, type ErrorClass } from "../shared/coded-error.ts";
import { formatBytesCompact } from "../values/format-bytes.ts";
import { METRICS, type Metric, type TransactionLimits } from "./limits.ts";

const READ_ADVICE =
  " Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";

interface LimitText {
  readonly code: string;
  /** Read limits end a page of a paginated query instead of failing it. */
  readonly errorClass: ErrorClass;
  /** Follows "Too" in errors. */
  readonly excess: string;
  /** Begins the warning. */
  readonly approach: string;
  /** Share of the limit from which on a warning is logged. */
  readonly warnAt: number;
  readonly unit: "" | " bytes";
  readonly advice: string;
}

const EXECUTION = "in a single function execution";

const TEXTS: Readonly<Record<Metric, LimitText>> = {
  documentsRead: {
    code: "TooManyDocumentsRead",
    errorClass: "PaginationLimit",
    excess: `many documents read ${EXECUTION}`,
    approach: `Many documents read ${EXECUTION}`,
    warnAt: 0.8,
    unit: "",
    advice: `.${READ_ADVICE}`,
  },
  databaseQueries: {
    code: "TooManyReads",
    errorClass: "PaginationLimit",
    excess: `many reads ${EXECUTION}`,
    approach: `Many reads ${EXECUTION}`,
    // 3072 of 4096 (`features.md` §2.0).
    warnAt: 0.75,
    unit: "",
    advice: `.${READ_ADVICE}`,
  },
  bytesRead: {
    code: "TooManyBytesRead",
    errorClass: "PaginationLimit",
    excess: `many bytes read ${EXECUTION}`,
    approach: `Many bytes read ${EXECUTION}`,
    warnAt: 0.8,
    unit: " bytes",
    advice: `.${READ_ADVICE}`,
  },
  documentsWritten: {
    code: "TooManyWrites",
    errorClass: "BadRequest",
    excess: `many writes ${EXECUTION}`,
    approach: `Many writes ${EXECUTION}`,
    warnAt: 0.8,
    unit: "",
    advice: "",
  },
  bytesWritten: {
    code: "TooManyBytesWritten",
    errorClass: "BadRequest",
    excess: `many bytes written ${EXECUTION}`,
    approach: `Many bytes written ${EXECUTION}`,
    warnAt: 0.8,
    unit: " bytes",
    advice: "",
  },
  functionsScheduled: {
    code: "TooManyFunctionsScheduled",
    errorClass: "BadRequest",
    excess: "many functions scheduled by this mutation",
    approach: "Many functions scheduled by this mutation",
    warnAt: 0.8,
    unit: "",
    advice: "",
  },
  scheduledFunctionArgsBytes: {
    code: "ScheduledFunctionsArgumentsTooLarge",
    errorClass: "BadRequest",
    excess: "large total size of the arguments of scheduled functions from this mutation",
    approach: "Large total size of the arguments of scheduled functions from this mutation",
    warnAt: 0.8,
    unit: " bytes",
    advice: "",
  },
  filesWritten: {
    code: "TooManyFilesWritten",
    errorClass: "BadRequest",
    excess: `many files written ${EXECUTION}`,
    approach: `Many files written ${EXECUTION}`,
    warnAt: 0.8,
    unit: "",
    advice: "",
  },
  fileWriteBytes: {
    code: "TooManyFileBytesWritten",
    errorClass: "BadRequest",
    excess: `many file bytes written ${EXECUTION}`,
    approach: `Many file bytes written ${EXECUTION}`,
    warnAt: 0.8,
    unit: " bytes",
    advice: "",
  },
  filesRead: {
    code: "TooManyFilesRead",
    errorClass: "BadRequest",
    excess: `many files read ${EXECUTION}`,
    approach: `Many files read ${EXECUTION}`,
    warnAt: 0.8,
    unit: "",
    advice: "",
  },
  fileReadBytes: {
    code: "TooManyFileBytesRead",
    errorClass: "BadRequest",
    excess: `many file bytes read ${EXECUTION}`,
    approach: `Many file bytes read ${EXECUTION}`,
    warnAt: 0.8,
    unit: " bytes",
    advice: "",
  },
};

/** E-F-13, E-F-14. `note` follows the text. */
export function limitError(metric: Metric, limit: number, note = ""): CodedError {
  const { code, errorClass, excess, unit, advice } = TEXTS[metric];
  const amount = metric === "bytesWritten" ? formatBytesCompact(limit) : `${limit}${unit}`;
  return new CodedError(errorClass, code, `Too ${excess} (limit: ${amount})${advice}${note}`);
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
    const { code, approach, warnAt, unit, advice } = TEXTS[metric];
    const text = approaching(approach, used[metric], limits[metric], unit, warnAt);
    if (text !== null) warnings.push({ code, message: `${text}.${advice.slice(1)}` });
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
