import { isolateEnv } from "./import-phase.ts";
import { monotonicClock, RealDate, RealFile, wallClock } from "./originals.ts";
import { callOriginal, define, hide, interceptConstruction, wrapMethod } from "./define.ts";
import { currentCall } from "./running.ts";

/** What `Date.now()` shows: the deploy's time at import, the start of a query or mutation, the real clock of actions. */
function visibleNow(): number {
  const call = currentCall();
  if (call === undefined) return isolateEnv.importTime;
  call.observed.time = true;
  return call.deterministic ? call.invocation.now : wallClock();
}

/** Resolution 0.1 ms. Stands still at import and in queries. */
function visiblePerformanceNow(): number {
  const call = currentCall();
  if (call === undefined) return 0;
  call.observed.time = true;
  const start = call.invocation.now - isolateEnv.importTime;
  if (call.invocation.kind === "query") return start;
  return Math.round((start + monotonicClock() - call.startedAt) * 10) / 10;
}

/** A function and not a class: `Date()` without `new` returns a string. */
function VisibleDate(this: unknown, ...args: unknown[]): unknown {
  if (new.target === undefined) return new RealDate(visibleNow()).toString();
  return Reflect.construct(RealDate, args.length === 0 ? [visibleNow()] : args, new.target);
}

function replaceDate(): void {
  define(VisibleDate, "name", "Date");
  define(VisibleDate, "length", 7);
  Object.defineProperty(VisibleDate, "prototype", { value: RealDate.prototype, writable: false });
  define(VisibleDate, "now", function now() {
    return visibleNow();
  });
  define(VisibleDate, "parse", RealDate.parse);
  define(VisibleDate, "UTC", RealDate.UTC);
  define(RealDate.prototype, "constructor", VisibleDate);
  define(globalThis, "Date", VisibleDate);
}

/** Formatting "now" without naming a date would show the real clock. */
function replaceDateTimeFormat(): void {
  const prototype = Intl.DateTimeFormat.prototype;
  const format: unknown = Reflect.get(Object.getOwnPropertyDescriptor(prototype, "format") ?? {}, "get");
  if (typeof format === "function") {
    Object.defineProperty(prototype, "format", {
      configurable: true,
      enumerable: false,
      get(this: Intl.DateTimeFormat) {
        const bound = callOriginal(format, this, []);
        return (date?: unknown) =>
          typeof bound === "function"
            ? (Reflect.apply(bound, undefined, [date ?? visibleNow()]) as unknown)
            : undefined;
      },
    });
  }
  wrapMethod(prototype, "formatToParts", (original, receiver, [date]) =>
    callOriginal(original, receiver, [date ?? visibleNow()]),
  );
}

/** `lastModified` defaults to now. */
function replaceFile(): void {
  interceptConstruction("File", RealFile, (args) => {
    const [bits, name, options] = args;
    return args.length < 2 ? args : [bits, name, { lastModified: visibleNow(), ...asObject(options) }];
  });
}

function optional(key: string, value: unknown): object {
  return value === undefined ? {} : { [key]: value };
}

function asObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}

function replacePerformance(): void {
  const prototype = Performance.prototype;
  define(prototype, "now", function now() {
    return visiblePerformanceNow();
  });
  Object.defineProperty(prototype, "timeOrigin", { configurable: true, get: () => isolateEnv.importTime });
  wrapMethod(prototype, "mark", (original, receiver, [name, options]) =>
    callOriginal(original, receiver, [name, { startTime: visiblePerformanceNow(), ...asObject(options) }]),
  );
  wrapMethod(prototype, "measure", (original, receiver, [name, start, end]) => {
    const isOptions = typeof start === "object" && start !== null;
    const given = isOptions ? asObject(start) : { ...optional("start", start), ...optional("end", end) };
    const bounded = "end" in given || "duration" in given ? given : { ...given, end: visiblePerformanceNow() };
    return callOriginal(original, receiver, [name, bounded]);
  });
  for (const extra of ["nodeTiming", "eventLoopUtilization", "markResourceTiming", "timerify"]) hide(prototype, extra);
}

export function installClocks(): void {
  replaceDate();
  replaceDateTimeFormat();
  replaceFile();
  replacePerformance();
}
