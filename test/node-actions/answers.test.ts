import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { codePackage, type CodePackage } from "../support/node-service/code-package.ts";
import { eventsOf, NodeService } from "../support/node-service/node-service.ts";
import { portOf } from "../support/node-service/port-of.ts";

const SOURCE = `"use node";
import { actionGeneric, anyApi } from "convex/server";
export const quick = actionGeneric(async () => { console.log("é"); return "é"; });
export const slow = actionGeneric(async (ctx) => { console.log("first"); await ctx.runQuery(anyApi.m.hold, {}); console.log("last"); return 1; });
export const meets = actionGeneric(async (ctx, { url }) => (await fetch(url)).status);
`;

let service: NodeService;
let code: CodePackage;
let letGo: () => void;

beforeAll(async () => {
  code = await codePackage({ main: SOURCE });
  service = await NodeService.start({ CONVECTION_NODE_STARTS: "1" });
  const { promise, resolve } = Promise.withResolvers<void>();
  letGo = resolve;
  service.worker.onSyscall = async () => {
    await promise;
    return { result: null };
  };
  await service.value({ function: "quick", package: code });
});

afterAll(() => service.close());

test("NODE18 an action that is over at once is answered whole, its lines before its result", async () => {
  for (let attempt = 0; ; attempt++) {
    const response = await service.post("/execute", service.request({ function: "quick", package: code }));
    const length = response.headers.get("content-length");
    const text = await response.text();
    const kinds = text
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds).toEqual(["started", "log", "result"]);
    // A machine that was busy elsewhere made a long action of it.
    if (length === null && attempt < 50) continue;
    expect(Number(length)).toBe(Buffer.byteLength(text));
    return;
  }
});

test("NODE18 what a longer action prints is there before it ends", async () => {
  const response = await service.post("/execute", service.request({ function: "slow", package: code }));
  expect(response.headers.get("content-length")).toBeNull();
  const seen: string[] = [];
  for await (const event of eventsOf(response)) {
    if (event.kind === "log") seen.push(...event.lines.flatMap(({ messages }) => messages));
    else if (event.kind === "result") seen.push("result");
    // Only what arrives lets it go on.
    if (seen.length === 1) letGo();
  }
  expect(seen).toEqual(["'first'", "'last'", "result"]);
});

test("NODE19 actions that only wait run at once, though they start one by one", async () => {
  const held: ServerResponse[] = [];
  const meeting = createServer((_, response) => {
    held.push(response);
    // Nobody goes on before all are here, and the service has heard nothing of any of them.
    if (held.length === 12) for (const each of held) each.end();
  });
  meeting.listen(0, "127.0.0.1");
  await once(meeting, "listening");
  const args = { url: `http://127.0.0.1:${portOf(meeting)}/` };
  const calls = Array.from({ length: 12 }, () => service.value({ function: "meets", package: code, args }));
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 12 }, () => 200));
  meeting.closeAllConnections();
  meeting.close();
});
