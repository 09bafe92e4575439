import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Files } from "../../support/stored-files.ts";

const APP = join(FIXTURES, "files-app");

const data = mkdtempSync(join(tmpdir(), "convection-files-"));
let backend: TestBackend | undefined;

afterAll(async () => {
  await backend?.kill();
  rmSync(data, { recursive: true, force: true });
});

/** Objects in the bucket, as miniflare keeps them: a file each. */
function blobs(): number {
  const names = readdirSync(data, { recursive: true, encoding: "utf8" });
  return names.filter((name) => /FILES\/blobs\/[0-9a-f]+$/.test(name)).length;
}

test("FILE2 FILE3 FILE4 P-B-1 P-B-5 P-F-25 kill -9 during uploads: what was acknowledged is whole, the rest is swept away", async () => {
  const acknowledged = new Map<string, string>();
  for (let round = 0; round < 3; round++) {
    backend = await startBackend({ data, app: APP });
    const files = new Files(backend.url);
    const uploadUrl = await files.uploadUrl();
    let running = true;
    const enough = Promise.withResolvers<void>();
    let count = 0;
    const upload = async (name: string): Promise<void> => {
      while (running) {
        const content = `${name} ${count++} ${"x".repeat(200_000)}`;
        try {
          const response = await fetch(uploadUrl, { method: "POST", body: content });
          const { storageId } = (await response.json()) as { storageId?: string };
          if (storageId !== undefined) acknowledged.set(storageId, content);
        } catch {
          // Killed in the middle of it: whether there is a file is not known.
          return;
        }
        if (count > 40 + 7 * round) enough.resolve();
      }
    };
    const uploads = ["a", "b", "c", "d"].map((name) => upload(`${round}${name}`));
    await enough.promise;
    await backend.kill();
    running = false;
    await Promise.all(uploads);
  }

  // Ages so short that everything is old: one sweep after the start finds what there is to find.
  backend = await startBackend({
    data,
    app: APP,
    env: { CONVECTION_FILE_ORPHAN_MS: "3000", CONVECTION_DELETED_FILE_MS: "3000" },
  });
  const files = new Files(backend.url);
  const failed = files.mutation("blobs:storeThenThrow", { text: "never committed" });
  await expect(failed).rejects.toThrow("stored");
  await backend.process.until("stderr", /files\.orphans_removed/);

  const documents = await files.query<{ _id: string; size: number }[]>("files:documents");
  const present = new Set(documents.map(({ _id }) => _id));
  for (const id of acknowledged.keys()) expect(present).toContain(id);
  for (const { _id, size } of documents) {
    const text = await (await files.download(_id)).text();
    expect(text.length).toBe(size);
    const content = acknowledged.get(_id);
    if (content !== undefined) expect(text).toBe(content);
  }
  // `storeThenThrow` may have been too young for the sweep that was waited for.
  await expect.poll(blobs, { timeout: 30_000 }).toBe(documents.length);

  const [deleted] = acknowledged.keys();
  const url = await files.urlOf(deleted ?? "");
  await files.mutation("files:remove", { storageId: deleted });
  expect([(await fetch(url)).status, blobs()]).toEqual([404, documents.length]);
  await backend.process.until("stderr", /files\.deleted_removed/);
  expect(blobs()).toBe(documents.length - 1);
  for (const { _id } of documents) {
    if (_id !== deleted) expect((await files.download(_id)).status).toBe(200);
  }
});
