// The process that runs user code. Knows no key and no token: whatever it needs of its deployment, it asks the service.
import type { NodeThrownError } from "../../src/protocol/node-actions.ts";
import type { CallResult, RunCall, ToChild } from "../process/messages.ts";
import { analyze } from "./analyze.ts";
import { takeChannel } from "./channel.ts";
import { installConsole, shortenPathsWith } from "./console.ts";
import { convexGlobal } from "./convex-global.ts";
import { bindEnvironment } from "./environment.ts";
import { Invocation, invocations } from "./invocation.ts";
import { findAction } from "./modules.ts";
import { guardProcess } from "./process-guard.ts";
import { modulePaths, nameModulesInStacks, thrownError, wholeText } from "./thrown-error.ts";

const channel = takeChannel();
const nextTurn = globalThis.setImmediate;
let directory = "";
let current: Invocation | undefined;
let analyzing: number | undefined;

/** Analysis has no deadline of its own, and nobody to ask. */
const ANALYSIS_LIMITS: RunCall["limits"] = {
  timeoutMs: 1,
  memoryBytes: 1,
  concurrentOperations: 1,
  logLines: 256,
  logBytes: 1_048_576,
  logLineBytes: 32_768,
  returnBytes: 1,
  notes: {},
};

function receive(message: ToChild): void {
  switch (message.type) {
    case "bind":
      ({ directory } = message);
      bindEnvironment(directory, message.variables);
      shortenPathsWith((text) => modulePaths(text, directory));
      break;
    case "run":
      run(message.call, message);
      break;
    case "analyze":
      runAnalysis(message.call, message.modules);
      break;
    case "answer":
      if (message.call === current?.call) current.answered(message.id, message.response);
      break;
    case "timeout":
      if (message.call === current?.call) current.fail(wholeText(timeoutText));
      break;
    default:
      message satisfies never;
  }
}

let timeoutText = "";

/** E-C-2. */
function timeoutOf({ function: name, limits }: RunCall): string {
  const { timeoutMs, notes } = limits;
  const seconds = timeoutMs / 1000;
  return `Action \`${name}\` execution timed out (maximum duration ${seconds}s)${notes["timeoutMs"] ?? ""}`;
}

function run(call: number, request: RunCall): void {
  const invocation = new Invocation(call, request, channel);
  current = invocation;
  timeoutText = timeoutOf(request);
  invocations.run(invocation, () => {
    void outcome(request).then((result) => {
      // A rejection that the handler left alone is known after this turn, and is this call's own.
      nextTurn(() => invocation.end(result, false));
    });
  });
}

async function outcome(request: RunCall): Promise<CallResult> {
  const action = await findAction(directory, request.module, request.function);
  if (!action.ok) return action;
  try {
    const value = await action.value(request.executionId, request.args);
    if (typeof value !== "string") {
      return { ok: false, error: wholeText(`${request.module}:${request.function} didn't return JSON text.`) };
    }
    const tooLarge = sizeMistake(value, request);
    return tooLarge === undefined ? { ok: true, value } : { ok: false, error: tooLarge };
  } catch (error) {
    return { ok: false, error: thrownError(error, directory) };
  }
}

const MIB = 1024 * 1024;

/** Before it fills the service's memory. */
function sizeMistake(value: string, request: RunCall): NodeThrownError | undefined {
  const { returnBytes, notes } = request.limits;
  const bytes = Buffer.byteLength(value);
  if (bytes <= returnBytes) return undefined;
  const path = `${request.module}:${request.function}`;
  const sizes = `(actual: ${shown(bytes)}, limit: ${shown(returnBytes)})`;
  return wholeText(`Function ${path} return value is too large ${sizes}${notes["returnBytes"] ?? ""}`);
}

function shown(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : bytes > MIB ? `${(bytes / MIB).toFixed(2)} MiB` : `${bytes} B`;
}

function runAnalysis(call: number, modules: readonly string[]): void {
  const request = { executionId: "", module: "", function: "", args: "", localAnswers: {}, limits: ANALYSIS_LIMITS };
  const logs: Parameters<typeof analyze>[2] = [];
  const collecting = {
    send: (message: Parameters<typeof channel.send>[0]) => {
      if (message.type === "log") logs.push(...message.lines);
    },
    onMessage: () => undefined,
  };
  const invocation = new Invocation(call, request, collecting);
  analyzing = call;
  current = invocation;
  invocations.run(invocation, () => {
    void analyze(directory, modules, logs).then((response) => {
      nextTurn(() => {
        invocation.end({ ok: true, value: "" }, false);
        if (analyzing === call) channel.send({ type: "analyzed", call, response });
        analyzing = undefined;
      });
    });
  });
}

installConsole();
nameModulesInStacks(() => directory);
guardProcess({
  current: () => (current?.ended === false ? current : undefined),
  fail: (invocation, error, event) => {
    const thrown = thrownError(error, directory, event);
    if (analyzing === invocation.call) {
      channel.send({ type: "analyzed", call: analyzing, response: { ok: false, path: "", error: thrown, logs: [] } });
      analyzing = undefined;
    }
    invocation.fail(thrown);
  },
  stray: ({ executionId }, error) => channel.send({ type: "stray", executionId, error: thrownError(error, directory) }),
});
Object.defineProperty(globalThis, "Convex", {
  value: convexGlobal(() => (current?.ended === false ? current : undefined)),
  configurable: true,
  writable: true,
});
channel.onMessage(receive);
channel.send({ type: "ready" });
