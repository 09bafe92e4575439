import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Files, sha256 } from "../../support/stored-files.ts";

const CONTENT = "0123456789";

let backend: TestBackend;
let files: Files;
let storageId: string;
let url: string;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "files-app") });
  files = new Files(backend.url);
  storageId = await files.store(CONTENT, { "content-type": "image/png" });
  url = await files.urlOf(storageId);
});
afterAll(() => backend?.stop());

async function get(headers: Record<string, string>, method = "GET") {
  const response = await fetch(url, { method, headers });
  return { status: response.status, text: await response.text(), headers: Object.fromEntries(response.headers) };
}

test("F7 P-B-4 a file comes whole, with its type, length and hash, and may be kept for a month", async () => {
  expect(url).toMatch(new RegExp(`^${backend.url}/api/storage/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`));
  const headers = {
    "content-type": "image/png",
    "content-length": "10",
    digest: `sha-256=${sha256(CONTENT)}`,
    "cache-control": "private, max-age=2592000",
    "accept-ranges": "bytes",
    etag: `"${sha256(CONTENT)}"`,
  };
  expect(await get({})).toMatchObject({ status: 200, text: CONTENT, headers });
  expect(await get({}, "HEAD")).toMatchObject({ status: 200, text: "", headers });
  expect(await get({ origin: "https://app.example" })).toMatchObject({
    headers: { "access-control-allow-origin": "https://app.example" },
  });
});

test("F7 P-B-4 text comes with its length, too, whatever compression the client would take", async () => {
  const text = await files.store(CONTENT, { "content-type": "text/plain" });
  const response = await fetch(await files.urlOf(text), { headers: { "accept-encoding": "gzip, br" } });
  expect(Object.fromEntries(response.headers)).toMatchObject({ "content-type": "text/plain", "content-length": "10" });
  expect(await response.text()).toBe(CONTENT);
});

test("P-B-4 a file has one URL, whoever asks for it and how", async () => {
  const { storageId: uuid } = await files.query<{ storageId: string }>("files:metadata", { storageId });
  expect(url.endsWith(`/${uuid}`)).toBe(true);
  for (const id of [storageId, uuid]) {
    expect(await files.query("files:url", { storageId: id })).toBe(url);
    expect(await files.mutation("files:urlInMutation", { storageId: id })).toBe(url);
    expect(await files.action("files:urlInAction", { storageId: id })).toBe(url);
  }
});

test("F8 P-B-4 one range is served, clamped to the file, in all three forms", async () => {
  for (const [range, text, content] of [
    ["bytes=2-5", "2345", "bytes 2-5/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=-30", CONTENT, "bytes 0-9/10"],
    ["bytes=8-99", "89", "bytes 8-9/10"],
    ["bytes=0-0", "0", "bytes 0-0/10"],
  ] as const) {
    const answer = await get({ range });
    expect([range, answer]).toMatchObject([
      range,
      {
        status: 206,
        text,
        headers: { "content-range": content, "content-length": String(text.length), "content-type": "image/png" },
      },
    ]);
    expect(answer.headers).not.toHaveProperty("digest");
    expect(await get({ range }, "HEAD")).toMatchObject({
      status: 206,
      text: "",
      headers: { "content-range": content },
    });
  }
});

test("F9 what is no single range inside the file", async () => {
  for (const range of ["bytes=0-1,4-5", "bytes=10-", "bytes=99-100", "bytes=-0"]) {
    expect([range, await get({ range })]).toMatchObject([
      range,
      { status: 416, text: "", headers: { "content-range": "bytes */10" } },
    ]);
  }
  for (const range of ["bytes=5-2", "bytes=a-b", "bytes=-", "lines=1-2", "bytes"]) {
    expect([range, await get({ range })]).toMatchObject([range, { status: 200, text: CONTENT }]);
  }
});

test("P-B-4 who has the file already is told that it has not changed", async () => {
  const etag = `"${sha256(CONTENT)}"`;
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    expect(await get({ "if-none-match": tag })).toMatchObject({ status: 304, text: "", headers: { etag } });
  }
  expect(await get({ "if-none-match": '"other"' })).toMatchObject({ status: 200, text: CONTENT });
  expect(await get({ range: "bytes=2-5", "if-range": etag })).toMatchObject({ status: 206, text: "2345" });
  expect(await get({ range: "bytes=2-5", "if-range": '"other"' })).toMatchObject({ status: 200, text: CONTENT });
});

test("F10 the id of the document is no address, nor is anything else but the UUID", async () => {
  for (const name of [storageId, "x", url.slice(-36, -1)]) {
    const response = await fetch(`${backend.url}/api/storage/${name}`);
    expect([response.status, await response.json()]).toEqual([
      400,
      { code: "InvalidStoragePath", message: expect.stringContaining("storage.getUrl") },
    ]);
  }
  const unknown = "00000000-0000-4000-8000-000000000000";
  const response = await fetch(`${backend.url}/api/storage/${unknown}`);
  expect([response.status, await response.json()]).toEqual([
    404,
    { code: "FileNotFound", message: `File ${unknown} not found` },
  ]);
});

test("F11 P-B-5 what is deleted is gone at once, and can't be deleted again", async () => {
  for (const by of ["files:remove", "files:removeInAction"] as const) {
    const call = (id: string): Promise<unknown> =>
      by === "files:remove" ? files.mutation(by, { storageId: id }) : files.action(by, { storageId: id });
    const id = await files.store("abc");
    const address = await files.urlOf(id);
    expect((await fetch(address)).status).toBe(200);
    expect(await call(id)).toBe(null);
    for (const method of ["GET", "HEAD"]) expect((await fetch(address, { method })).status).toBe(404);
    expect((await fetch(address, { headers: { range: "bytes=0-1" } })).status).toBe(404);
    expect(await files.url(id)).toBe(null);
    expect(await files.action("files:urlInAction", { storageId: id })).toBe(null);
    expect(await files.query("files:document", { storageId: id })).toBe(null);
    expect(await files.query("files:metadata", { storageId: id })).toBe(null);
    expect(await files.action("blobs:getInAction", { storageId: id })).toBe(null);
    await expect(call(id)).rejects.toThrow(`storage id ${id} not found`);
  }
});

test("P-B-6 P-D-12 metadata have the hash in hex, the document in base64", async () => {
  for (const metadata of [
    await files.query("files:metadata", { storageId }),
    await files.action("files:metadataInAction", { storageId }),
  ]) {
    expect(metadata).toEqual({
      storageId: url.slice(-36),
      sha256: sha256(CONTENT, "hex"),
      size: 10,
      contentType: "image/png",
    });
  }
  const document = await files.query("files:document", { storageId });
  expect(document).toMatchObject({ sha256: sha256(CONTENT), size: 10 });
  expect(await files.query("files:documents")).toContainEqual(document);
});

test("P-D-12 documents of files are read, never written", async () => {
  await expect(files.mutation("files:writeDocument", { storageId })).rejects.toThrow(/System tables/);
  expect(await files.query("files:ids", { storageId })).toEqual([storageId, null]);
});

test("E-E-10 what is no storage id is refused with the reference's texts", async () => {
  const other = await files.mutation<string>("files:noteType");
  const calls = [
    ["getUrl", (id: unknown) => files.query("files:url", { storageId: id })],
    ["getUrl", (id: unknown) => files.action("files:urlInAction", { storageId: id })],
    ["getMetadata", (id: unknown) => files.query("files:metadata", { storageId: id })],
    ["delete", (id: unknown) => files.mutation("files:remove", { storageId: id })],
    ["delete", (id: unknown) => files.action("files:removeInAction", { storageId: id })],
  ] as const;
  for (const [name, call] of calls) {
    await expect(call("nonsense")).rejects.toThrow(
      `Invalid argument \`storageId\` for \`storage.${name}\`: Invalid storage ID: "nonsense". Storage ID should be an\n                    Id of '_storage' table, or a UUID string.`,
    );
    await expect(call(other)).rejects.toThrow(
      "Invalid storage ID. Storage ID cannot be an ID on any table other than '_storage'.",
    );
  }
  await expect(files.action("blobs:getInAction", { storageId: 5 })).rejects.toThrow(
    "storage.get requires a string storageId but received 5",
  );
  const unknown = "00000000-0000-4000-8000-000000000000";
  await expect(files.mutation("files:remove", { storageId: unknown })).rejects.toThrow(
    `storage id ${unknown} not found`,
  );
  expect(await files.query("files:url", { storageId: unknown })).toBe(null);
});
