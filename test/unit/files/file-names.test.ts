import { expect, test } from "vitest";
import type { InternalId } from "../../../src/engine/names.ts";
import { EncryptedFileNames } from "../../../src/files/file-names.ts";
import { objectKey, parseObjectKey } from "../../../src/files/object-key.ts";
import { toHex } from "../../../src/shared/bytes.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const seed = freshSeed();
const random = new SeededRandom(seed);

function newId(): InternalId {
  return toHex(Uint8Array.from({ length: 16 }, () => random.below(256))) as InternalId;
}

test(`FILE5 every id has one name, every name one id, and each key its own (seed ${seed})`, async () => {
  const names = new EncryptedFileNames("a".repeat(64));
  const others = new EncryptedFileNames("b".repeat(64));
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const id = newId();
    const uuid = await names.uuid(id);
    expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(await names.id(uuid)).toBe(id);
    expect(await names.id(uuid.toUpperCase())).toBe(id);
    expect(await names.uuid(await names.id(uuid))).toBe(uuid);
    expect(await others.uuid(id)).not.toBe(uuid);
    expect(await others.id(uuid)).not.toBe(id);
    seen.add(uuid);
  }
  expect(seen.size).toBe(200);
});

test("FILE5 the name of an id is the same for ever", async () => {
  const names = new EncryptedFileNames("a".repeat(64));
  expect(await names.uuid("00112233445566778899AABBCCDDEEFF" as InternalId)).toBe(
    "08f9725b-cb79-a712-356c-a52f93770f8f",
  );
});

test("FILE5 the names of ids that differ in one bit have nothing in common", async () => {
  const names = new EncryptedFileNames("a".repeat(64));
  const id = newId();
  const neighbour = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}` as InternalId;
  const [one, other] = [await names.uuid(id), await names.uuid(neighbour)];
  const common = one
    .replaceAll("-", "")
    .split("")
    .filter((digit, i) => digit === other.replaceAll("-", "")[i]).length;
  // Of 32 random digits, 2 agree on average.
  expect(common).toBeLessThan(16);
});

test("FILE3 the key of an object begins with the day of the id and tells the file; others are no files", () => {
  const id = "00112233445566778899AABBCCDD5157" as InternalId;
  for (const component of ["", "vault", "a/b_1/c"]) {
    const key = objectKey({ component, id });
    expect(key).toBe(`20823/${component === "" ? "" : `${component}/`}${id}`);
    expect(parseObjectKey(key)).toEqual({ component, id });
  }
  for (const key of [
    "",
    id,
    `20824/${id}`,
    `20823/${id.toLowerCase()}`,
    `20823//${id}`,
    `20823/a b/${id}`,
    `20823/${id}/x`,
  ]) {
    expect([key, parseObjectKey(key)]).toEqual([key, null]);
  }
});
