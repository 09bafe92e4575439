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
