import { connect } from "node:net";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeServiceError, type NodeServiceError } from "../../src/protocol/node-actions.ts";
import { keyOf, keysOf } from "../support/signed-request.ts";
import { codePackage, type CodePackage } from "../support/node-service/code-package.ts";
import { MIB, NodeService } from "../support/node-service/node-service.ts";

const SOURCE = `"use node";
import { actionGeneric, anyApi } from "convex/server";
export const effect = actionGeneric(async (ctx) => { await ctx.runMutation(anyApi.m.effect, {}); return 1; });
`;

let service: NodeService;
let code: CodePackage;

beforeAll(async () => {
  code = await codePackage({ main: SOURCE });
  service = await NodeService.start({ CONVECTION_NODE_BODY_BYTES: String(MIB) });
});

afterAll(() => service.close());

function effect(executionId?: string): string {
  const call = { function: "effect", package: code, ...(executionId === undefined ? {} : { executionId }) };
  return JSON.stringify(service.request(call));
}

type PostOptions = NonNullable<Parameters<NodeService["post"]>[2]>;

/** Status and code of a refusal, and that it ran nothing. */
async function refusal(body: string, options: PostOptions, path = "/execute"): Promise<[number, string]> {
  const before = service.worker.syscalls.length;
  const response = await service.post(path, body, options);
  const error: NodeServiceError = nodeServiceError.parse(await response.json());
  expect(service.worker.syscalls).toHaveLength(before);
  return [response.status, error.code];
}

test("NODE2 a signed request runs", async () => {
  const outcome = await service.outcome(await service.post("/execute", effect()));
  expect(outcome).toMatchObject({ kind: "result", result: { ok: true } });
  expect(service.worker.syscalls).toHaveLength(1);
});

test("NODE3 unsigned requests are refused, with a log line", async () => {
  for (const name of ["signature", "signature-input", "content-digest"]) {
    expect(await refusal(effect(), { headers: { [name]: undefined } })).toEqual([401, "Unsigned"]);
  }
  expect(service.spawned.stderr).toMatch(/"event":"request refused","code":"Unsigned"/);
});

test("NODE3 tampered body, path and method are refused", async () => {
  const body = effect();
  expect(await refusal(body, { sentBody: effect() })).toEqual([401, "BadDigest"]);
  expect(await refusal(body, { sentPath: "/execute?x=1" })).toEqual([401, "BadSignature"]);
  expect(await refusal(body, { sentPath: "/execute" }, "/analyze")).toEqual([401, "BadSignature"]);
  expect(await refusal(body, { sentMethod: "PUT" })).toEqual([401, "BadSignature"]);
});

test("NODE3 wrong key, expired and future requests are refused", async () => {
  const { signing } = await keysOf("b");
  expect(await refusal(effect(), { key: signing })).toEqual([401, "UnknownKey"]);
  expect(await refusal(effect(), { now: Date.now() - 130_000 })).toEqual([401, "Expired"]);
  expect(await refusal(effect(), { now: Date.now() + 90_000 })).toEqual([401, "Expired"]);
});

test("NODE3 a request that is sent twice runs once, nonce or no nonce", async () => {
  const before = service.worker.syscalls.length;
  const body = effect("twice");
  const headers = await service.sign("/execute", body);
  const send = () => fetch(`${service.url}/execute`, { method: "POST", body, headers });
  expect(await service.outcome(await send())).toMatchObject({ kind: "result", result: { ok: true } });
  const replayed = await send();
  expect([replayed.status, await replayed.json()]).toMatchObject([401, { code: "Replayed" }]);
  const again = await service.post("/execute", body);
  expect([again.status, await again.json()]).toMatchObject([409, { code: "AlreadySeen", retryable: false }]);
  expect(service.worker.syscalls).toHaveLength(before + 1);
});

test("NODE4 an oversized body is refused before it is read", async () => {
  const large = JSON.stringify({ padding: "x".repeat(2 * MIB) });
  expect(await refusal(large, {})).toEqual([413, "BodyTooLarge"]);
  // Only the head is sent: an answer shows that nobody waits for the body.
  const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
  socket.write("POST /execute HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
  const unsigned = connect(Number(new URL(service.url).port), "127.0.0.1");
  unsigned.write("POST /execute HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
  const [refused] = (await once(unsigned, "data")) as [Buffer];
  expect(refused.toString()).toMatch(/^HTTP\/1\.1 401 /);
  unsigned.destroy();
});

test("NODE4 bodies that are not understood are refused", async () => {
  expect(await refusal("{", {})).toEqual([400, "BadRequest"]);
  expect(await refusal(JSON.stringify({ v: 2 }), {})).toEqual([400, "BadRequest"]);
});

test("NODE5 health and metrics are public and tell numbers only", async () => {
  expect(await (await fetch(`${service.url}/healthz`)).json()).toEqual({ status: "ok" });
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  expect(metrics).toMatch(/convection_node_executions_total\{outcome="ok"\} \d+/);
  expect(metrics).toMatch(/convection_node_refused_total\{code="BadDigest"\} 1/);
  expect(metrics).not.toContain("main.js");
  expect((await fetch(`${service.url}/elsewhere`)).status).toBe(401);
});

test("NODE6 keys rotate without downtime: the file is read again on SIGHUP", async () => {
  const { signing: next } = await keysOf("b");
  const body = effect();
  expect(await refusal(body, { key: next })).toEqual([401, "UnknownKey"]);
  writeFileSync(service.keysFile, JSON.stringify([keyOf("b"), keyOf("a")]));
  service.spawned.process.kill("SIGHUP");
  await service.spawned.until("stderr", /signing keys read again.*key-b.*key-a/);
  for (const key of [service.key, next]) {
    const outcome = await service.outcome(await service.post("/execute", effect(), { key }));
    expect(outcome).toMatchObject({ kind: "result", result: { ok: true } });
  }
  writeFileSync(service.keysFile, "[]");
  service.spawned.process.kill("SIGHUP");
  await service.spawned.until("stderr", /keys can't be read and stay/);
  writeFileSync(service.keysFile, JSON.stringify([keyOf("b")]));
  service.spawned.process.kill("SIGHUP");
  await service.spawned.until("stderr", /read again","keyids":\["key-b"\]/);
  expect(await refusal(effect(), {})).toEqual([401, "UnknownKey"]);
  expect(service.spawned.stderr).not.toContain("b".repeat(32));
});
