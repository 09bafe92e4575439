import { expect, test } from "vitest";
import type { StoredFile } from "../../../src/engine/stored-files.ts";
import { UploadTokens } from "../../../src/files/upload-tokens.ts";
import { Uploads } from "../../../src/files/uploads.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import { MemoryFileStore } from "../../support/memory-file-store.ts";

const clock = { now: () => 1_700_000_000_000 };

/** What became of an upload whose document is recorded like this, attempt by attempt. */
async function uploaded(...attempts: readonly (string | Error)[]) {
  const store = new MemoryFileStore(clock);
  const recorded: StoredFile[] = [];
  const bytesWhenRecorded: number[] = [];
  const asked: boolean[] = [];
  const uploads = new Uploads({
    store,
    tokens: new UploadTokens({ keys: Promise.resolve([]), instanceName: "test", clock, lifeMs: 1000 }),
    idleMs: 60_000,
    clock,
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    record: async (file, _startedAt, again) => {
      const answer = attempts[recorded.length] ?? new Error("nobody asked for another attempt");
      recorded.push(file);
      asked.push(again);
      bytesWhenRecorded.push(store.entries.size);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const bytes = new Blob(["hello"]).stream();
  const outcome = await uploads.store("", { contentType: null, bytes, size: 5, sha256: null }).then(
    (id) => id,
    (error: unknown) => error,
  );
  return { outcome, recorded, asked, bytesWhenRecorded, bytes: store.entries.size };
}

const LOST = new CodedError("Overloaded", "CommitNotConfirmed", "It may be stored.");
const REFUSED = new CodedError("BadRequest", "UploadTooOld", "It took too long.");

test("FILE2 the bytes are there before the document is", async () => {
  expect(await uploaded("id")).toMatchObject({ outcome: "id", bytesWhenRecorded: [1], bytes: 1 });
});

test("FILE2 when it is not known whether the document is stored, the same file is recorded again", async () => {
  const { outcome, recorded, asked, bytes } = await uploaded(LOST, "id");
  expect([outcome, bytes]).toEqual(["id", 1]);
  expect(asked).toEqual([false, true]);
  expect(recorded[1]).toEqual(recorded[0]);
});

test("FILE1 FILE2 the bytes of a file that may be recorded stay, whatever the sender is told", async () => {
  for (const last of [LOST, new TypeError("a bug of ours")]) {
    expect(await uploaded(LOST, last)).toMatchObject({ outcome: last, bytes: 1 });
  }
});

test("FILE2 the bytes of a file that was refused go at once", async () => {
  for (const attempts of [[REFUSED], [LOST, REFUSED]]) {
    expect(await uploaded(...attempts)).toMatchObject({ outcome: REFUSED, bytes: 0 });
  }
});
