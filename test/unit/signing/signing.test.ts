import { beforeEach, expect, test } from "vitest";
import { parseSigningKeys, type SigningKeys } from "../../../src/signing/keys.ts";
import { MemoryNonceStore } from "../../../src/signing/nonces.ts";
import type { RequestParts } from "../../../src/signing/sign.ts";
import { SignatureRefusedError, verifyRequest } from "../../../src/signing/verify.ts";
import { keyOf, keysOf, send, type SentRequest } from "../../support/signed-request.ts";

const NOW = 1_800_000_000_000;
const PARTS: RequestParts = {
  direction: "to-service",
  method: "POST",
  url: "http://node.test:1/execute?a=1",
  body: new TextEncoder().encode('{"v":1}'),
};

let keys: SigningKeys;
let nonces: MemoryNonceStore;

beforeEach(async () => {
  keys = await keysOf("a");
  nonces = new MemoryNonceStore(100);
});

async function outcome(sent: SentRequest, accepted: SigningKeys = keys, nowMs = NOW): Promise<string> {
  try {
    await verifyRequest(sent.request, sent.bodyDigest, accepted, nonces, { now: () => nowMs }, { clockSkewMs: 60_000 });
    return "accepted";
  } catch (error) {
    if (error instanceof SignatureRefusedError) return error.code;
    throw error;
  }
}

function altered(received: Parameters<typeof send>[2]): Promise<SentRequest> {
  return send(PARTS, { keys, nowMs: NOW }, received);
}

function sentAt(nowMs: number): Promise<SentRequest> {
  return send(PARTS, { keys, nowMs, nonce: nowMs % 251 });
}

test("SIGN1 a signed request is accepted, by whatever authority it was reached", async () => {
  expect(await outcome(await send(PARTS, { keys, nowMs: NOW }))).toBe("accepted");
  const proxied = await send(PARTS, { keys, nowMs: NOW, nonce: 2 }, { url: "https://other.example/execute?a=1" });
  expect(await outcome(proxied)).toBe("accepted");
});

test("SIGN2 altered method, path, query, body or direction is refused", async () => {
  expect(await outcome(await altered({ method: "PUT" }))).toBe("BadSignature");
  expect(await outcome(await altered({ url: "http://node.test:1/analyze?a=1" }))).toBe("BadSignature");
  expect(await outcome(await altered({ url: "http://node.test:1/execute?a=2" }))).toBe("BadSignature");
  expect(await outcome(await altered({ url: "http://node.test:1/execute" }))).toBe("BadSignature");
  expect(await outcome(await altered({ body: new TextEncoder().encode('{"v":2}') }))).toBe("BadDigest");
  expect(await outcome(await altered({ direction: "to-worker" }))).toBe("BadSignature");
  expect(nonces.size).toBe(0);
});

test("SIGN3 missing and forged headers are refused", async () => {
  for (const name of ["signature", "signature-input", "content-digest"]) {
    expect(await outcome(await send(PARTS, { keys, nowMs: NOW }, { headers: { [name]: undefined } }))).toBe("Unsigned");
  }
  const original = await send(PARTS, { keys, nowMs: NOW });
  const input = original.request.header("signature-input") ?? "";
  const forgeries = [
    input.replace('"content-digest"', ""),
    input.replace('"@path"', '"@method"'),
    input.replace(/;expires=\d+/, ""),
    input.replace(/;nonce="[^"]+"/, ""),
    input.replace(/;alg="[^"]+"/, ';alg="ed25519"'),
    input.replace(/created=\d+/, "created=1"),
    "sig1=",
    `${input}, sig2=()`,
    "x".repeat(5000),
  ];
  for (const forged of forgeries) {
    expect(forged).not.toBe(input);
    const sent = await send(PARTS, { keys, nowMs: NOW }, { headers: { "signature-input": forged } });
    expect(await outcome(sent), forged).toBe("BadSignature");
  }
});

test("SIGN4 a wrong key is refused, two keys are accepted during a rotation", async () => {
  const next = await keysOf("b");
  const rotating = await keysOf("b", "a");
  expect(await outcome(await send(PARTS, { keys: next, nowMs: NOW }))).toBe("UnknownKey");
  const impostor = await parseSigningKeys(JSON.stringify([{ ...keyOf("a"), key: "z".repeat(32) }]));
  expect(await outcome(await send(PARTS, { keys: impostor, nowMs: NOW }))).toBe("BadSignature");
  expect(await outcome(await send(PARTS, { keys, nowMs: NOW, nonce: 1 }), rotating)).toBe("accepted");
  expect(await outcome(await send(PARTS, { keys: next, nowMs: NOW, nonce: 1 }), rotating)).toBe("accepted");
});

test("SIGN5 expired and future signatures are refused beyond the skew", async () => {
  expect(await outcome(await sentAt(NOW - 119_000))).toBe("accepted");
  expect(await outcome(await sentAt(NOW - 121_000))).toBe("Expired");
  expect(await outcome(await sentAt(NOW + 59_000))).toBe("accepted");
  expect(await outcome(await sentAt(NOW + 61_000))).toBe("Expired");
});

test("SIGN6 a nonce is accepted once for as long as its signature could be", async () => {
  const sent = await send(PARTS, { keys, nowMs: NOW });
  expect(await outcome(sent)).toBe("accepted");
  expect(await outcome(sent)).toBe("Replayed");
  expect(await outcome(sent, keys, NOW + 119_000)).toBe("Replayed");
  expect(await outcome(sent, keys, NOW + 121_000)).toBe("Expired");
});

test("SIGN7 the nonce store is bounded, refuses when full, and forgets what expired", async () => {
  nonces = new MemoryNonceStore(2);
  for (const nonce of [1, 2]) expect(await outcome(await send(PARTS, { keys, nowMs: NOW, nonce }))).toBe("accepted");
  expect(await outcome(await send(PARTS, { keys, nowMs: NOW, nonce: 3 }))).toBe("Overloaded");
  const later = NOW + 130_000;
  expect(await outcome(await send(PARTS, { keys, nowMs: later, nonce: 3 }), keys, later)).toBe("accepted");
  expect(nonces.size).toBe(1);
});

test("SIGN8 a keys file that is wrong is refused without quoting a key", async () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const wrong = [
    secret,
    `[{"keyid":"a","key":"${secret}"`,
    "[]",
    JSON.stringify([{ keyid: "a", key: "short" }]),
    JSON.stringify([{ keyid: "a b", key: secret }]),
    JSON.stringify([keyOf("a"), keyOf("a")]),
    JSON.stringify([keyOf("a"), keyOf("b"), keyOf("c")]),
  ];
  for (const text of wrong) {
    await expect(parseSigningKeys(text)).rejects.toThrow("signing keys");
    await expect(parseSigningKeys(text)).rejects.not.toThrow(secret);
  }
});
