import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Files, sha256, upload } from "../../support/stored-files.ts";

let backend: TestBackend;
let files: Files;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "files-app") });
  files = new Files(backend.url);
});
afterAll(() => backend?.stop());

const NO_BLOB =
  "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.";

test("P-B-2 P-B-3 P-F-25 S1-14 what an action or a mutation stores, both read again", async () => {
  const stores = [
    (content: object) => files.action<string>("blobs:storeInAction", { ...content }),
    (content: object) => files.mutation<string>("blobs:storeInMutation", { ...content }),
  ];
  for (const store of stores) {
    for (const type of ["text/plain", ""]) {
      const storageId = await store({ text: "grüße", ...(type !== "" && { type }) });
      const blob = { isBlob: true, text: "grüße", type, size: 7 };
      expect(await files.action("blobs:getInAction", { storageId })).toEqual(blob);
      expect(await files.mutation("blobs:getInMutation", { storageId })).toEqual(blob);
      expect(await files.query("files:document", { storageId })).toMatchObject({
        sha256: sha256("grüße"),
        size: 7,
        contentType: type === "" ? null : type,
      });
      expect(await (await files.download(storageId)).text()).toBe("grüße");
    }
  }
});

test("P-B-2 E-G-7 a hash that the bytes don't have is refused, one that they have is not", async () => {
  const before = await files.query<unknown[]>("files:documents");
  const wrong = sha256("other");
  const message = `Sha256 mismatch. Expected: ${wrong} Actual: ${sha256("text")}`;
  await expect(files.action("blobs:storeInAction", { text: "text", sha256: wrong })).rejects.toThrow(message);
  await expect(files.mutation("blobs:storeInMutation", { text: "text", sha256: wrong })).rejects.toThrow(message);
  expect(await files.query("files:documents")).toEqual(before);
  await files.action("blobs:storeInAction", { text: "text", sha256: sha256("text") });
  await files.mutation("blobs:storeInMutation", { text: "text", sha256: sha256("text") });
});

test("E-E-9 what is no Blob is not stored", async () => {
  await expect(files.action("blobs:storeNoBlobInAction")).rejects.toThrow(NO_BLOB);
  await expect(files.mutation("blobs:storeNoBlobInMutation")).rejects.toThrow(NO_BLOB);
});

test("P-B-2 P-B-3 an action stores and reads more than one message carries", async () => {
  const bytes = 40 * 1024 * 1024;
  const { id, size } = await files.action<{ id: string; size: number }>("blobs:storeLarge", { bytes });
  expect(size).toBe(bytes);
  expect(await files.query("files:document", { storageId: id })).toMatchObject({ size: bytes });
});

test("P-B-2 an HTTP action stores the body of its request", async () => {
  const response = await fetch(`${backend.siteUrl}/store`, {
    method: "POST",
    headers: { "content-type": "image/png" },
    body: new TextEncoder().encode("picture"),
  });
  const stored = (await response.json()) as { id: string; url: string };
  expect(stored).toMatchObject({ text: "picture", type: "image/png" });
  expect(stored.url).toBe(await files.url(stored.id));
  expect(await (await fetch(stored.url)).text()).toBe("picture");
});

test("P-F-25 a mutation sees the files that it stores and no longer those that it deletes", async () => {
  expect(await files.mutation("blobs:lifeInMutation", { text: "abc", type: "a/b" })).toEqual({
    blob: { isBlob: true, text: "abc", type: "a/b", size: 3 },
    url: expect.stringContaining("/api/storage/"),
    document: {
      _id: expect.any(String),
      _creationTime: expect.any(Number),
      sha256: sha256("abc"),
      size: 3,
      contentType: "a/b",
    },
    metadata: { storageId: expect.any(String), sha256: sha256("abc", "hex"), size: 3, contentType: "a/b" },
    after: [null, null],
  });
});

test("P-F-25 a mutation that fails has neither stored nor deleted a file", async () => {
  const before = await files.query<unknown[]>("files:documents");
  const failed = await files.mutation("blobs:storeThenThrow", { text: "abc" }).catch((error: Error) => error.message);
  const storageId = /stored (\w+)/.exec(String(failed))?.[1];
  expect(await files.url(storageId ?? "")).toBe(null);
  expect(await files.action("blobs:getInAction", { storageId })).toBe(null);
  const nested = await files.mutation<{ id: string; url: unknown }>("blobs:storeInFailingCall", { text: "abc" });
  expect([nested.url, await files.url(nested.id)]).toEqual([null, null]);
  expect(await files.query("files:documents")).toEqual(before);

  const kept = await files.store("kept");
  await expect(files.mutation("blobs:deleteThenThrow", { storageId: kept })).rejects.toThrow("changed my mind");
  expect(await (await files.download(kept)).text()).toBe("kept");
});

test("P-F-25 P-F-20 files are counted in the transaction, and their number is limited", async () => {
  expect(await files.mutation("blobs:metrics", { text: "abc" })).toEqual({
    filesWritten: { used: 1, remaining: 99 },
    fileWriteBytes: { used: 3, remaining: 16 * 1024 * 1024 - 3 },
    filesRead: { used: 2, remaining: 98 },
    fileReadBytes: { used: 6, remaining: 16 * 1024 * 1024 - 6 },
  });
  await expect(files.mutation("blobs:storeMany", { count: 101 })).rejects.toThrow(
    "Too many files written in a single function execution (limit: 100)",
  );
});

test("P-B-1 P-B-4 P-B-5 files of a component are its own", async () => {
  const storageId = await files.action<string>("vaults:store", { text: "secret" });
  const url = await files.action<string>("vaults:url", { storageId });
  expect(url).toMatch(/\/api\/storage\/[0-9a-f-]{36}\?component=vault$/);
  expect(await (await fetch(url)).text()).toBe("secret");
  expect(await files.action("vaults:text", { storageId })).toBe("secret");

  // By its id or its UUID, the app reaches nothing; by the UUID alone, neither does anybody else.
  const uuid = /[0-9a-f-]{36}/.exec(url)?.[0];
  for (const id of [storageId, uuid]) {
    expect(await files.query("files:url", { storageId: id })).toBe(null);
    expect(await files.action("blobs:getInAction", { storageId: id })).toBe(null);
    await expect(files.mutation("files:remove", { storageId: id })).rejects.toThrow(`storage id ${id} not found`);
    await expect(files.action("files:removeInAction", { storageId: id })).rejects.toThrow("not found");
  }
  expect((await fetch(url.replace(/\?.*/, ""))).status).toBe(404);
  expect((await fetch(url.replace("vault", "other"))).status).toBe(404);
  const own = await files.store("own");
  expect(await files.action("vaults:url", { storageId: own })).toBe(null);
  expect((await fetch(`${await files.urlOf(own)}?component=vault`)).status).toBe(404);

  const uploaded = await upload(await files.mutation<string>("vaults:uploadUrl"), "mine");
  expect(await files.action("vaults:text", { storageId: uploaded.body.storageId })).toBe("mine");
  expect(await files.query("files:document", { storageId: uploaded.body.storageId })).toBe(null);
  await files.action("vaults:remove", { storageId });
  expect((await fetch(url)).status).toBe(404);
});
