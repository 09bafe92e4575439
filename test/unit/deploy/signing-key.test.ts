import { createLocalJWKSet, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { EnvironmentCipher } from "../../../src/deploy/environment-cipher.ts";
import { signingKeyChange } from "../../../src/deploy/signing-key.ts";
import { JwtSigner, SIGNING_KEY } from "../../../src/runtime/functions/jwt-signer.ts";
import type { JsonValue } from "../../../src/shared/json.ts";

const NOW = 1_800_000_000_000;
const OLD = "a1".repeat(32);
const NEW = "b2".repeat(32);
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };

function cipher(...secrets: [string, ...string[]]): EnvironmentCipher {
  return new EnvironmentCipher(secrets, random);
}

function signer(of: EnvironmentCipher): JwtSigner {
  return new JwtSigner((name, value) => of.open(name, value));
}

function values(stored: JsonValue | null): ReadonlyMap<string, JsonValue> {
  return new Map([[SIGNING_KEY, stored]]);
}

async function sign(of: EnvironmentCipher, stored: JsonValue | null): Promise<string> {
  return signer(of).sign(values(stored), { issuer: "https://x", claims: {}, expiresInSeconds: 60, now: NOW });
}

async function verify(token: string, of: EnvironmentCipher, stored: JsonValue | null): Promise<void> {
  const { keys } = await signer(of).publicKeys(values(stored));
  await jwtVerify(token, createLocalJWKSet({ keys: [...keys] }), { currentDate: new Date(NOW) });
}

test("TOKEN5 P-F-26 the first push makes a key, later ones keep it, and nothing of it is readable as it is stored", async () => {
  const one = cipher(OLD);
  const first = await signingKeyChange(undefined, one);
  expect(await signingKeyChange(first ?? undefined, one)).toBeNull();
  expect(JSON.stringify(first)).not.toContain('"d"');
  await verify(await sign(one, first), one, first);
});

test("TOKEN5 P-F-26 under a new secret there is a new key, and tokens of the one before still verify", async () => {
  const before = await signingKeyChange(undefined, cipher(OLD));
  const token = await sign(cipher(OLD), before);
  const rotating = cipher(NEW, OLD);
  await verify(token, rotating, before);
  const after = await signingKeyChange(before ?? undefined, rotating);
  await verify(token, cipher(NEW), after);
  const newer = await sign(cipher(NEW), after);
  await verify(newer, cipher(NEW), after);
  await expect(verify(newer, cipher(OLD), before)).rejects.toThrow("no applicable key");
  const again = await signingKeyChange(after ?? undefined, cipher(OLD, NEW));
  await expect(verify(token, cipher(OLD), again)).rejects.toThrow("no applicable key");
});

test("TOKEN5 a secret that is lost takes its keys with it, and pushes go on", async () => {
  const lost = await signingKeyChange(undefined, cipher(OLD));
  const made = await signingKeyChange(lost ?? undefined, cipher(NEW));
  await verify(await sign(cipher(NEW), made), cipher(NEW), made);
});
