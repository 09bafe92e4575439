import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

let backend: TestBackend;
let client: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "files-app") });
  client = new FunctionClient(backend.url);
});
afterAll(() => backend?.stop());

test("P-B-1 P-B-4 a file goes up by the upload URL and comes back by the download URL", async () => {
  const uploadUrl = await client.mutation<string>("files:uploadUrl");
  const response = await fetch(uploadUrl, { method: "POST", headers: { "Content-Type": "image/png" }, body: "abc" });
  const text = await response.text();
  expect([response.status, text]).toEqual([200, expect.any(String)]);
  const { storageId } = JSON.parse(text);
  const sha256 = createHash("sha256").update("abc").digest("base64");
  expect(await client.query("files:document", { storageId })).toEqual({
    _id: storageId,
    _creationTime: expect.any(Number),
    sha256,
    size: 3,
    contentType: "image/png",
  });
  const url = await client.query<string>("files:url", { storageId });
  const file = await fetch(url);
  expect([file.status, await file.text()]).toEqual([200, "abc"]);
  expect(Object.fromEntries(file.headers)).toMatchObject({ "content-type": "image/png", "content-length": "3" });
});
