import { randomBytes } from "node:crypto";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundledWorker } from "../../support/bundled-worker.ts";
import { z } from "zod";
import { sha256 } from "../../../src/signing/content-digest.ts";
import { MemoryNonceStore } from "../../../src/signing/nonces.ts";
import { signRequest } from "../../../src/signing/sign.ts";
import { verifyRequest } from "../../../src/signing/verify.ts";
import { keyOf, keysOf } from "../../support/signed-request.ts";

const BODY = new Uint8Array(Buffer.from('{"v":1,"text":"ü"}'));

let miniflare: Miniflare;
let url: URL;

beforeAll(async () => {
  miniflare = await bundledWorker(import.meta.dirname, {
    // What signs and verifies needs no Node APIs.
    flags: [],
    bindings: { KEYS: JSON.stringify([keyOf("a")]) },
  });
  url = await miniflare.ready;
});

afterAll(() => miniflare.dispose());

test("SIGN9 what workerd signs, Node accepts", async () => {
  const response = await fetch(new URL("/sign", url), { method: "POST", body: BODY });
  const headers = z.record(z.string(), z.string()).parse(await response.json());
  const received = {
    direction: "to-service",
    method: "POST",
    target: "/x",
    header: (name: string) => headers[name],
  } as const;
  const nonces = new MemoryNonceStore(10);
  const settings = { clockSkewMs: 60_000 };
  await verifyRequest(received, await sha256(BODY), await keysOf("a"), nonces, Date, settings);
  await expect(
    verifyRequest(received, await sha256(BODY), await keysOf("b"), new MemoryNonceStore(10), Date, settings),
  ).rejects.toMatchObject({ code: "UnknownKey" });
});

test("SIGN10 what Node signs, workerd accepts once", async () => {
  const target = new URL("/api/node/syscall?a=%20b", url);
  const parts = { direction: "to-worker", method: "POST", url: target.href, body: BODY } as const;
  const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };
  const signed = await signRequest(parts, (await keysOf("a")).signing, Date, random);
  const send = (body: Uint8Array<ArrayBuffer>) => fetch(target, { method: "POST", body, headers: { ...signed } });
  expect(await (await send(new Uint8Array(2))).text()).toBe("BadDigest");
  expect(await (await send(BODY)).text()).toBe("accepted");
  expect(await (await send(BODY)).text()).toBe("Replayed");
});
