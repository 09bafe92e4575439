import { expect, test } from "vitest";
import { Api, newGroup, startRuntimeApp } from "./api.ts";

test("EXE9 E-C-3 an endless loop is ended by restarting the runtime, and acknowledged data is there afterwards", async () => {
  await using backend = await startRuntimeApp({ env: { CONVECTION_WATCHDOG_MS: "4000" } });
  const api = new Api(backend);
  const group = newGroup();
  for (const n of [1, 2, 3]) await api.value("mutation", "items:add", { group, n });
  await expect(api.call("mutation", "limits:forever", { group })).rejects.toThrow("fetch failed");
  await backend.process.until("stderr", /has not answered for 4 s \(CONVECTION_WATCHDOG_MS\)[\s\S]+is up again/);
  expect(await api.value("query", "items:list", { group })).toEqual([1, 2, 3]);
  await api.value("mutation", "items:add", { group, n: 4 });
  expect(await api.value("query", "items:list", { group })).toEqual([1, 2, 3, 4]);
});

test("E-C-17 a failure that is not the function's is told bare and logged whole", async () => {
  await using backend = await startRuntimeApp();
  const api = new Api(backend);
  const text = "Your request couldn't be completed. Try again later.";
  // To an action the failure of what it calls is an error like any other.
  expect(await api.value("action", "sabotage:callBroken")).toBe(text);
  const answer = await api.call("query", "sabotage:breakIsolate", {}, api.asAdmin());
  expect(answer).toEqual({ http: 500, code: "InternalServerError", message: text, logLines: [] });
  await backend.process.until("stderr", /"event":"http\.request_failed","error":"SyntaxError: .*JSON/);
  await backend.process.until("stderr", /"event":"syscall failed","error":"SyntaxError: .*JSON/);
});
