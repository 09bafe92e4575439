import { expect, test } from "vitest";
import { LogClient } from "../../../src/logs/log-client.ts";
import { parseAppend, parseRecords } from "../../../src/logs/messages.ts";
import type { FunctionCompletion } from "../../../src/protocol/function-log.ts";

function completion(identifier: string): FunctionCompletion {
  return {
    udfType: "Query",
    componentPath: null,
    identifier,
    requestId: "0",
    executionId: "0",
    parentExecutionId: null,
    logLines: [],
    startedAt: 0,
    duration: 0,
    error: null,
    caller: "HttpApi",
    identityType: "unknown",
    environment: "isolate",
  };
}

/** A log whose answers the test gives. */
function world() {
  const batches: { names: string[]; answer: PromiseWithResolvers<void> }[] = [];
  const warnings: { event: string; fields: unknown }[] = [];
  const sendings: Promise<void>[] = [];
  const clock = { time: 1000, now: () => clock.time };
  const client = new LogClient({
    stub: () => ({
      append(json) {
        const records = parseRecords(parseAppend(json).text);
        const answer = Promise.withResolvers<void>();
        const names = records.map((record) =>
          record.kind === "Completion" ? record.completion.identifier : "progress",
        );
        batches.push({ names, answer });
        return answer.promise;
      },
      read: () => Promise.reject(new Error("not read here")),
      audit: () => Promise.reject(new Error("no streams here")),
    }),
    gather: () => Promise.resolve(),
    keepAlive: (work) => void sendings.push(work),
    clock,
    log: { info() {}, error() {}, warn: (event, fields) => void warnings.push({ event, fields }) },
  });
  return { client, batches, warnings, sendings, clock, turn: () => new Promise(setImmediate) };
}

test("LOG14 one request at a time sends, and takes along what comes meanwhile", async () => {
  const { client, batches, sendings, turn } = world();
  client.completed(completion("a"));
  client.completed(completion("b"));
  await turn();
  client.completed(completion("c"));
  client.completed(completion("d"));
  await turn();
  expect(batches.map(({ names }) => names)).toEqual([["a", "b"]]);
  batches[0]?.answer.resolve();
  await turn();
  expect(batches.map(({ names }) => names)).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  batches[1]?.answer.resolve();
  await Promise.all(sendings);
  expect(sendings).toHaveLength(1);
});

test("LOG14 a sending that went away with its request is replaced", async () => {
  const { client, batches, clock, sendings, turn } = world();
  client.completed(completion("a"));
  await turn();
  clock.time += 5001;
  client.completed(completion("b"));
  await turn();
  expect(sendings).toHaveLength(2);
  expect(batches.map(({ names }) => names)).toEqual([["a"], ["b"]]);
  // The first one was only slow: it leaves the rest to the second.
  batches[0]?.answer.resolve();
  await sendings[0];
  client.completed(completion("c"));
  await turn();
  expect(batches).toHaveLength(2);
  batches[1]?.answer.resolve();
  await turn();
  expect(batches[2]?.names).toEqual(["c"]);
});

test("LOG15 what can't be kept up with is dropped and counted, and nothing is ever thrown", async () => {
  const { client, batches, warnings, turn } = world();
  client.completed(completion("first"));
  await turn();
  for (let i = 0; i < 2500; i++) client.completed(completion(String(i)));
  for (let i = 0; i < batches.length; i++) {
    batches[i]?.answer.resolve();
    await turn();
  }
  expect(batches.flatMap(({ names }) => names)).toHaveLength(2001);
  expect(Math.max(...batches.map(({ names }) => names.length))).toBe(500);
  expect(warnings).toEqual([{ event: "logs.dropped", fields: { records: 500 } }]);
});

test("LOG15 a log that fails loses the batch, and the next record is tried again", async () => {
  const { client, batches, warnings, turn } = world();
  client.completed(completion("a"));
  await turn();
  batches[0]?.answer.reject(new Error("away"));
  await turn();
  client.completed(completion("b"));
  await turn();
  expect(batches.map(({ names }) => names)).toEqual([["a"], ["b"]]);
  expect(warnings).toEqual([{ event: "logs.lost", fields: { records: 1, reason: "Error: away" } }]);
});
