import { expect, test } from "vitest";
import { nodeHmacKey, nodeSha256 } from "../../../node-actions/node-signing.ts";
import { contentDigestField, sha256 } from "../../../src/signing/content-digest.ts";
import { parseSigningKeys, type SigningKey } from "../../../src/signing/keys.ts";
import { MemoryNonceStore } from "../../../src/signing/nonces.ts";
import { signByLibrary } from "../../../src/signing/sign.ts";
import { readUsual, signUsual, type UsualParameters, type UsualRequest } from "../../../src/signing/usual-form.ts";
import { SignatureRefusedError, verifyRequest } from "../../../src/signing/verify.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { keyOf } from "../../support/signed-request.ts";

const SEED = 20_261_127;
const NOW = 1_800_000_000;

async function keyWith(importKey?: typeof nodeHmacKey): Promise<SigningKey> {
  return (await parseSigningKeys(JSON.stringify([keyOf("a")]), importKey)).signing;
}

async function drawn(random: SeededRandom): Promise<{ request: UsualRequest; parameters: UsualParameters }> {
  const bytes = Uint8Array.from({ length: 16 }, () => random.below(256));
  const request = {
    method: random.pick(["GET", "POST", "PUT"]),
    target: random.pick(["/execute", "/api/node/syscall", "/", `/api/node/packages/${"0f".repeat(32)}`, "/a/"]),
    contentDigest: contentDigestField(await sha256(bytes)),
  };
  const created = NOW + random.below(1000);
  const parameters = {
    created,
    expires: created + 60,
    nonce: Buffer.from(bytes).toString("base64"),
    keyid: random.pick(["key-a", "0123456789abcdef", "2026.11_x"]),
    tag: random.pick(["convection-to-service", "convection-to-worker"]),
  };
  return { request, parameters };
}

function byLibrary({ method, target, contentDigest }: UsualRequest, parameters: UsualParameters, key: SigningKey) {
  return signByLibrary(method, target, contentDigest, parameters, key);
}

test("SIGN11 the usual form is byte for byte what the library writes, with either key", async () => {
  const random = new SeededRandom(SEED);
  const keys = [await keyWith(), await keyWith(nodeHmacKey)] as const;
  for (let i = 0; i < 300; i++) {
    const { request, parameters } = await drawn(random);
    const expected = { ...(await byLibrary(request, parameters, random.pick(keys))) };
    expect(await signUsual(request, parameters, random.pick(keys).hmac), `seed ${SEED} ${i}`).toEqual(expected);
    const read = readUsual(request, expected.signature, expected.signatureInput);
    expect(read).toMatchObject(parameters);
    expect(await read?.isValid(random.pick(keys).hmac)).toBe(true);
  }
});

test("SIGN11 what is spelt otherwise is left to the library, which judges as before", async () => {
  const { request, parameters } = await drawn(new SeededRandom(SEED));
  const key = await keyWith(nodeHmacKey);
  for (const target of ["/execute?x=1", "/a/../execute", "/%65xecute", "//execute", "execute", "/a b", '/"', ""]) {
    expect(await signUsual({ ...request, target }, parameters, key.hmac), target).toBeNull();
  }
  for (const changed of [{ nonce: 'a"b' }, { keyid: "a b" }, { tag: "T" }, { created: -1 }, { expires: 1.5 }]) {
    expect(await signUsual(request, { ...parameters, ...changed }, key.hmac)).toBeNull();
  }
  const { signature, signatureInput } = await byLibrary(request, parameters, key);
  const spellings = [
    signatureInput.replace("sig1=", "sig2="),
    signatureInput.replace(";created", "; created"),
    signatureInput.replace(/;alg="[^"]+"/, ""),
    signatureInput.replace('"@path"', '"@method"'),
    `${signatureInput}, sig2=()`,
    ` ${signatureInput}`,
  ];
  for (const spelling of spellings) expect(readUsual(request, signature, spelling), spelling).toBeNull();
  for (const other of [signature.slice(0, -1), signature.replace(/.=:$/, ":"), "sig1=::"]) {
    expect(readUsual(request, other, signatureInput), other).toBeNull();
  }
});

test("SIGN11 nothing of a request can be changed, with keys of either kind", async () => {
  const body = new TextEncoder().encode("{}");
  for (const importKey of [undefined, nodeHmacKey]) {
    const keys = await parseSigningKeys(JSON.stringify([keyOf("a"), keyOf("b")]), importKey);
    const request = { method: "POST", target: "/execute", contentDigest: contentDigestField(nodeSha256(body)) };
    const parameters = {
      created: NOW,
      expires: NOW + 60,
      nonce: "AAAA",
      keyid: "key-a",
      tag: "convection-to-service",
    };
    const signed = await signUsual(request, parameters, keys.signing.hmac);
    if (signed === null) throw new Error("the usual form");
    const judged = async (changed: Partial<UsualRequest> & Partial<typeof signed>): Promise<string> => {
      const { signature, signatureInput, method, target, contentDigest } = { ...request, ...signed, ...changed };
      const headers: Record<string, string> = {
        signature,
        "signature-input": signatureInput,
        "content-digest": contentDigest,
      };
      const received = { direction: "to-service", method, target, header: (name: string) => headers[name] } as const;
      try {
        const nonces = new MemoryNonceStore(10);
        const settings = { clockSkewMs: 1000 };
        await verifyRequest(received, nodeSha256(body), keys, nonces, { now: () => NOW * 1000 }, settings);
        return "accepted";
      } catch (error) {
        if (error instanceof SignatureRefusedError) return error.code;
        throw error;
      }
    };
    const flipped = signed.signature.replace(/:(.)/, (_, first: string) => `:${first === "A" ? "B" : "A"}`);
    const input = signed.signatureInput;
    expect(await judged({})).toBe("accepted");
    expect(await judged({ signature: flipped })).toBe("BadSignature");
    expect(await judged({ method: "PUT" })).toBe("BadSignature");
    expect(await judged({ target: "/analyze" })).toBe("BadSignature");
    expect(await judged({ contentDigest: contentDigestField(nodeSha256(new Uint8Array(1))) })).toBe("BadSignature");
    expect(await judged({ signatureInput: input.replace("AAAA", "AAAB") })).toBe("BadSignature");
    expect(await judged({ signatureInput: input.replace(/expires=(\d+)/, "expires=9$1") })).toBe("BadSignature");
    expect(await judged({ signatureInput: input.replace("key-a", "key-b") })).toBe("BadSignature");
    expect(await judged({ signatureInput: input.replace("key-a", "key-c") })).toBe("UnknownKey");
    expect(await judged({ signatureInput: input.replace("to-service", "to-worker") })).toBe("BadSignature");
  }
});
