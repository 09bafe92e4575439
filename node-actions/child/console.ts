import { inspect } from "node:util";
import { invocations, type Invocation } from "./invocation.ts";

type Level = Parameters<Invocation["log"]["print"]>[0];

/** Replaced when the package is bound: paths in it are shown without the place where it lies. */
let shortened: (text: string) => string = (text) => text;

export function shortenPathsWith(shorten: (text: string) => string): void {
  shortened = shorten;
}

const now = Date.now.bind(Date);

/** As much of a string as the other runtime shows. */
const INSPECT_OPTIONS = { maxStringLength: 32_768 } as const;

/** Node's own rendering; strings are quoted even at the top level (`abi.md` §6.5). */
function render(values: readonly unknown[]): string[] {
  return values.map((value) => shortened(inspect(value, INSPECT_OPTIONS)));
}

/** What an earlier call left behind prints nowhere: its log is closed, and the one of this call is not its own. */
function print(level: Level, messages: string[]): void {
  const invocation = invocations.getStore();
  if (invocation !== undefined && !invocation.ended) invocation.log.print(level, messages);
}

function timers(): Map<string, number> {
  return invocations.getStore()?.consoleTimers ?? new Map();
}

/** Patches the one console object, which `node:console` exports too. */
export function installConsole(): void {
  const counts = new WeakMap<object, Map<string, number>>();
  const methods: Record<string, (...values: unknown[]) => void> = {
    debug: (...values) => print("DEBUG", render(values)),
    error: (...values) => print("ERROR", render(values)),
    info: (...values) => print("INFO", render(values)),
    log: (...values) => print("LOG", render(values)),
    warn: (...values) => print("WARN", render(values)),
    dir: (value) => print("LOG", render([value])),
    trace: (...values) => {
      const stack = (new Error("trace").stack ?? "").split("\n").slice(2).join("\n");
      print("LOG", [...render(values), shortened(stack)]);
    },
    assert: (condition, ...values) => {
      if (!condition) print("ERROR", ["'Assertion failed'", ...render(values)]);
    },
    time: (given) => {
      const label = labelOf(given);
      if (timers().has(label)) print("WARN", render([`Timer '${label}' already exists`]));
      else timers().set(label, now());
    },
    timeLog: (given, ...values) => {
      const label = labelOf(given);
      const started = timers().get(label);
      if (started === undefined) print("WARN", render([`Timer '${label}' does not exist`]));
      else print("INFO", render([`${label}: ${now() - started}ms`, ...values]));
    },
    timeEnd: (given) => {
      const label = labelOf(given);
      const started = timers().get(label);
      if (started === undefined) print("WARN", render([`Timer '${label}' does not exist`]));
      else print("INFO", render([`${label}: ${now() - started}ms`]));
      timers().delete(label);
    },
    count: (given) => {
      const invocation = invocations.getStore();
      if (invocation === undefined) return;
      const counted = counts.get(invocation) ?? new Map<string, number>();
      counts.set(invocation, counted);
      const label = labelOf(given);
      counted.set(label, (counted.get(label) ?? 0) + 1);
      print("LOG", [`${label}: ${counted.get(label)}`]);
    },
  };
  Object.assign(console, methods);
}

function labelOf(given: unknown): string {
  return given === undefined ? "default" : `${given as string}`;
}
