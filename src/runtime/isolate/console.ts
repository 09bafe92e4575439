import inspect from "object-inspect";
import type { LogLevel } from "../../protocol/invocation.ts";
import { define } from "./define.ts";
import { importingModule, logImport } from "./import-phase.ts";
import { logLine } from "./log-line.ts";
import { wallClock } from "./originals.ts";
import { currentCall } from "./running.ts";

const INSPECT_OPTIONS = { indent: 2, maxStringLength: 32_768, customInspect: true } as const;
const IMPORT_LINE_BYTES = 32_768;

/** Timers of code that runs outside any call. */
const importTimers = new Map<string, number>();

function render(values: readonly unknown[]): string[] {
  return values.map((value) => inspect(value, INSPECT_OPTIONS));
}

function print(level: LogLevel, messages: readonly string[], stack?: string): void {
  const call = currentCall();
  if (call !== undefined) call.logs.print(level, messages, stack);
  else if (importingModule() !== undefined) logImport(logLine(level, messages, IMPORT_LINE_BYTES));
}

/** Frames of the caller of `console.trace`. */
function callerStack(): string {
  const lines = (new Error("trace").stack ?? "").split("\n");
  return lines.slice(3).join("\n");
}

function timers(): Map<string, number> {
  return currentCall()?.consoleTimers ?? importTimers;
}

function elapsed(label: string, started: number): string {
  return `${label}: ${wallClock() - started}ms`;
}

function printing(name: string, level: LogLevel): [string, (...values: unknown[]) => void] {
  return [name, (...values) => print(level, render(values))];
}

export function installConsole(): void {
  const methods: Record<string, (...values: unknown[]) => void> = Object.fromEntries([
    printing("debug", "DEBUG"),
    printing("error", "ERROR"),
    printing("info", "INFO"),
    printing("log", "LOG"),
    printing("warn", "WARN"),
  ]);
  methods["trace"] = (...values) => print("LOG", render(values), callerStack());
  methods["time"] = (given) => {
    const label = labelOf(given);
    if (timers().has(label)) print("WARN", [`Timer '${label}' already exists`]);
    else timers().set(label, wallClock());
  };
  methods["timeLog"] = (given, ...values) => {
    const label = labelOf(given);
    const started = timers().get(label);
    if (started === undefined) print("WARN", [`Timer '${label}' does not exist`]);
    else print("INFO", [elapsed(label, started), ...render(values)]);
  };
  methods["timeEnd"] = (given) => {
    const label = labelOf(given);
    const started = timers().get(label);
    if (started === undefined) print("WARN", [`Timer '${label}' does not exist`]);
    else print("INFO", [elapsed(label, started)]);
    timers().delete(label);
  };
  define(globalThis, "console", methods);
}

function labelOf(given: unknown): string {
  return given === undefined ? "default" : (given as string);
}
