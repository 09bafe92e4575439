import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UploadTokens } from "../../../src/files/upload-tokens.ts";
import { MasterSecret } from "../../../src/runtime/secret.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Files, sha256, upload } from "../../support/stored-files.ts";

const SECRET = "5".repeat(64);

let backend: TestBackend;
let files: Files;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "files-app"), env: { CONVECTION_SECRET: SECRET } });
  files = new Files(backend.url);
});
afterAll(() => backend?.stop());

/** A token as this deployment would have issued it at that time. */
async function tokenOf(instanceName: string, issuedAt: number, component = ""): Promise<string> {
  const keys = new MasterSecret(SECRET).hmacKey("convection/upload url").then((key) => [key]);
  const clock = { now: () => issuedAt };
  return new UploadTokens({ keys, instanceName, clock, lifeMs: 3_600_000 }).issue(component);
}

function withToken(url: string, token: string): string {
  return url.replace(/token=.*/, `token=${token}`);
}

test("F1 S0-17 S1-14 P-B-1 an upload by a generated URL is a file, with its type, size and hash in base64", async () => {
  for (const source of ["mutation", "action"] as const) {
    const url =
      source === "mutation" ? await files.uploadUrl() : await files.action<string>("files:uploadUrlFromAction");
    expect(url).toMatch(new RegExp(`^${backend.url}/api/storage/upload\\?token=\\S+$`));
    const { status, body } = await upload(url, "abc", { "content-type": "image/png" });
    expect([status, body]).toEqual([200, { storageId: expect.stringMatching(/^[0-9a-z]{32}$/) }]);
    // Seen by whatever begins after the answer.
    const { storageId } = body;
    const document = { _id: storageId, sha256: sha256("abc"), size: 3, contentType: "image/png" };
    expect(await files.query("files:document", { storageId })).toEqual({
      ...document,
      _creationTime: expect.any(Number),
    });
    expect(await files.mutation("files:urlInMutation", { storageId })).toBe(await files.url(storageId ?? ""));
  }
});

test("F2 a file without a type has none, neither in its document nor in its download", async () => {
  const storageId = await files.store("abc");
  expect(await files.query("files:document", { storageId })).toMatchObject({ contentType: null });
  const response = await files.download(storageId);
  expect(response.headers.get("content-type")).toBe(null);
  expect(await response.text()).toBe("abc");
});

test("F3 P-B-1 E-G-7 a body of another hash than announced is refused, and there is no file", async () => {
  const before = await files.query<unknown[]>("files:documents");
  const wrong = sha256("abd");
  const url = await files.uploadUrl();
  expect(await upload(url, "abc", { digest: `sha-256=${wrong}` })).toMatchObject({
    status: 400,
    body: { code: "Sha256Mismatch", message: `Sha256 mismatch. Expected: ${wrong} Actual: ${sha256("abc")}` },
  });
  expect(await files.query("files:documents")).toEqual(before);
  expect(await upload(url, "abc", { digest: `sha-256=${sha256("abc")}` })).toMatchObject({ status: 200 });
});

test("P-B-1 headers that can't be parsed are refused", async () => {
  const url = await files.uploadUrl();
  for (const headers of [
    { digest: "sha-256=abc" },
    { digest: "md5=1B2M2Y8AsgTpgAmY7PhCfg==" },
    { "content-type": "no type" },
    { "content-type": "text/html; charset" },
  ]) {
    expect([headers, await upload(url, "abc", headers)]).toMatchObject([
      headers,
      { status: 400, body: { code: "BadHeader" } },
    ]);
  }
});

test("F4 E-G-7 an upload URL is valid for an hour", async () => {
  const url = await files.uploadUrl();
  const { iss } = JSON.parse(Buffer.from(url.split("token=")[1]?.split(".")[1] ?? "", "base64url").toString());
  const [young, old] = [await tokenOf(iss, Date.now() - 3_590_000), await tokenOf(iss, Date.now() - 3_602_000)];
  expect(await upload(withToken(url, young), "abc")).toMatchObject({ status: 200 });
  expect(await upload(withToken(url, old), "abc")).toMatchObject({
    status: 401,
    body: { code: "StorageTokenExpired", message: "Store File Authorization expired" },
  });
});

test("E-G-7 a URL that this deployment did not give out takes nothing", async () => {
  const url = await files.uploadUrl();
  const before = await files.query<unknown[]>("files:documents");
  const [head = "", payload = "", signature = ""] = (url.split("token=")[1] ?? "").split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const forged = [
    "",
    "garbage",
    `${head}.${payload}.${signature.slice(0, -2)}`,
    `${head}.${encoded({ ...claims, component: "vault" })}.${signature}`,
    `${encoded({ alg: "none" })}.${payload}.`,
    `${head}.${payload}.${"A".repeat(43)}`,
    "A".repeat(10_000),
  ];
  for (const token of forged) {
    expect([token, await upload(withToken(url, token), "abc")]).toMatchObject([
      token,
      { status: 401, body: { code: "StorageTokenInvalid" } },
    ]);
  }
  for (const token of [
    await tokenOf("another-deployment", Date.now()),
    await tokenOf(claims.iss, Date.now(), "no-such-component"),
  ]) {
    expect(await upload(withToken(url, token), "abc")).toMatchObject({
      status: 401,
      body: { code: "InvalidStorageToken" },
    });
  }
  expect(await upload(url.replace(/\?.*/, ""), "abc")).toMatchObject({ status: 400, body: { code: "BadQueryArgs" } });
  expect(await files.query("files:documents")).toEqual(before);
});

test("F5 the same URL takes any number of files", async () => {
  const url = await files.uploadUrl();
  const first = await upload(url, "one");
  const second = await upload(url, "two");
  expect(first.body.storageId).not.toBe(second.body.storageId);
  expect(await (await files.download(first.body.storageId ?? "")).text()).toBe("one");
  expect(await (await files.download(second.body.storageId ?? "")).text()).toBe("two");
});

test("F6 a page of another origin may upload, and sees why it may not", async () => {
  const url = await files.uploadUrl();
  const origin = "https://app.example";
  const preflight = await fetch(url, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
  });
  expect([preflight.status, Object.fromEntries(preflight.headers)]).toMatchObject([
    200,
    { "access-control-allow-origin": origin, "access-control-allow-headers": "content-type" },
  ]);
  const taken = await upload(url, "abc", { origin, "content-type": "image/png" });
  const refused = await upload(withToken(url, "garbage"), "abc", { origin });
  expect([taken.status, refused.status]).toEqual([200, 401]);
  for (const { headers } of [taken, refused]) expect(headers.get("access-control-allow-origin")).toBe(origin);
});

test("P-B-1 an empty file is a file, and so is one whose length nobody announced", async () => {
  for (const content of ["", "abc"]) {
    const stream = new Blob([content]).stream();
    const chunked = await fetch(await files.uploadUrl(), {
      method: "POST",
      body: stream,
      duplex: "half",
    } as RequestInit);
    const { storageId } = (await chunked.json()) as { storageId: string };
    const whole = await files.store(content);
    for (const id of [storageId, whole]) {
      expect(await files.query("files:document", { storageId: id })).toMatchObject({
        size: content.length,
        sha256: sha256(content),
      });
      expect(await (await files.download(id)).text()).toBe(content);
      expect(await files.action("blobs:getInAction", { storageId: id })).toMatchObject({ text: content });
    }
  }
});

test("P-B-1 an upload that breaks off leaves no file", async () => {
  const before = await files.query<unknown[]>("files:documents");
  for (const headers of [{ "content-length": 1_000_000 }, {}]) {
    const broken = request(await files.uploadUrl(), { method: "POST", headers });
    const gone = new Promise((resolve) => broken.once("error", resolve));
    await new Promise((resolve) => broken.write(Buffer.alloc(400_000), resolve));
    broken.destroy(new Error("gone"));
    await gone;
  }
  // Behind them in the same backend.
  await files.store("after");
  const after = await files.query<{ size: number }[]>("files:documents");
  expect(after.length).toBe(before.length + 1);
  expect(after.at(-1)).toMatchObject({ size: 5 });
});
