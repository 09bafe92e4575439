import { expect, test } from "vitest";
import { Catalog } from "../../../src/engine/catalog.ts";
import type { TableNumber } from "../../../src/engine/names.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { type ExportedVersion, StreamingExport } from "../../../src/transfer/streaming-export.ts";
import { encodeDocumentId } from "../../../src/values/document-id.ts";
import { type Change, internalId, put, remove, TABLE, TestWriter } from "../../contract/persistence/writer.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const SEED = freshSeed();
console.log(`seed: ${SEED} (SEED=${SEED} replays)`);

const NUMBER = 10_001 as TableNumber;
const ANY = { component: null, table: null };

async function world(sizes = { snapshotRows: 3, deltaDocuments: 4, deltaTransactions: 5 }) {
  const persistence = new MemoryPersistence();
  const writer = new TestWriter(persistence);
  const table = { id: TABLE, component: "", name: "messages", number: NUMBER };
  await writer.commit([[]], { catalog: { upsertTables: [table] } });
  const now = async () => {
    const rows = await persistence.loadCatalog();
    return { ts: rows.head.ts, catalog: new Catalog(rows) };
  };
  return { persistence, writer, exporting: new StreamingExport({ persistence, now }, sizes) };
}

/** What somebody has who copies a deployment. */
class Copy {
  readonly documents = new Map<string, string>();
  readonly told: ExportedVersion[] = [];

  apply(versions: readonly ExportedVersion[]): void {
    for (const version of versions) {
      this.told.push(version);
      if (version.json === null) this.documents.delete(version.id);
      else this.documents.set(version.id, version.json);
    }
  }
}

function idOf(n: number): string {
  return encodeDocumentId(NUMBER, internalId(n));
}

test.for([...Array(20).keys()])(
  "EXPS1 a copy of a snapshot and of what came after it is the deployment, run %i",
  async (run) => {
    const random = new SeededRandom(SEED + run);
    const { writer, exporting } = await world();
    const live = new Map<number, string>();
    let made = 0;
    const transaction = (): Change[] => {
      const changes = new Map<number, Change>();
      for (let i = random.below(4); i > 0; i--) {
        const old = [...live.keys()];
        if (old.length > 0 && random.chance(0.3)) {
          const n = random.pick(old);
          // No id is ever given again.
          live.delete(n);
          changes.set(n, remove(n));
          continue;
        }
        const n = old.length > 0 && random.chance(0.5) ? random.pick(old) : ++made;
        const json = `{"_id":"${n}","body":${random.below(1000)}}`;
        live.set(n, json);
        changes.set(n, { ...put(n, [], null), json });
      }
      return [...changes.values()];
    };
    const write = async (): Promise<void> => {
      await writer.commit(Array.from({ length: 1 + random.below(3) }, transaction));
    };
    for (let i = 0; i < 8; i++) await write();

    const copy = new Copy();
    let page = await exporting.listSnapshot(null, null, ANY);
    const { snapshot } = page;
    for (;;) {
      copy.apply(page.versions);
      if (page.cursor === null) break;
      if (random.chance(0.5)) await write();
      page = await exporting.listSnapshot(snapshot, page.cursor, ANY);
      expect(page.snapshot).toBe(snapshot);
    }
    for (let cursor = snapshot, i = 0; ; i++) {
      if (i < 8) await write();
      const deltas = await exporting.documentDeltas(cursor, ANY);
      copy.apply(deltas.versions);
      cursor = deltas.cursor;
      if (i >= 8 && !deltas.hasMore) break;
    }
    expect(copy.documents).toEqual(new Map([...live].map(([n, json]) => [idOf(n), json])));
  },
);

test("EXPS2 each transaction's documents come with its timestamp, in order, and are never split", async () => {
  const { writer, exporting } = await world();
  const [first] = await writer.commit([[put(1, []), put(2, []), put(3, [])]]);
  const [second] = await writer.commit([[put(4, []), put(5, [])]]);
  const [third] = await writer.commit([[remove(1)]]);
  const { snapshot } = { snapshot: 0n };
  const one = await exporting.documentDeltas(snapshot, ANY);
  const told = ({ versions }: typeof one) => versions.map(({ id, ts, json }) => [id, ts, json !== null]);
  const at = (ts: number | undefined) => BigInt(ts ?? 0) * 1000n;
  // The first document is gone by now, and was there at its time.
  expect(told(one)).toEqual([
    [idOf(1), at(first), true],
    [idOf(2), at(first), true],
    [idOf(3), at(first), true],
    [idOf(4), at(second), true],
    [idOf(5), at(second), true],
  ]);
  expect(one).toMatchObject({ cursor: at(second), hasMore: true });
  const two = await exporting.documentDeltas(one.cursor, ANY);
  expect(told(two)).toEqual([[idOf(1), at(third), false]]);
  expect(two).toMatchObject({ cursor: at(third), hasMore: false });
  expect(await exporting.documentDeltas(two.cursor, ANY)).toEqual({ versions: [], cursor: at(third), hasMore: false });
});

test("EXPS3 a document that one group of commits wrote twice is told once, and never as deleted in between", async () => {
  const { writer, exporting } = await world();
  const [, later] = await writer.commit([[put(1, [], "a")], [put(1, [], "b")]]);
  const { versions } = await exporting.documentDeltas(0n, ANY);
  expect(versions).toMatchObject([{ id: idOf(1), ts: BigInt(later ?? 0) * 1000n, json: expect.stringContaining("b") }]);
});

test("EXPS4 what is no longer kept is refused by name, for snapshots and for what came after", async () => {
  const { persistence, writer, exporting } = await world();
  const [old] = await writer.commit([[put(1, []), put(2, []), put(3, []), put(4, [])]]);
  const page = await exporting.listSnapshot(null, null, ANY);
  const [newer] = await writer.commit([[remove(4)]]);
  await persistence.prune(newer ?? (0 as never), 100);
  const refusal = { code: "InvalidWindowToReadDocuments" };
  await expect(exporting.listSnapshot(page.snapshot, page.cursor, ANY)).rejects.toMatchObject(refusal);
  await expect(exporting.documentDeltas(BigInt(old ?? 0) * 1000n, ANY)).rejects.toMatchObject(refusal);
  expect(await exporting.documentDeltas(BigInt(newer ?? 0) * 1000n, ANY)).toMatchObject({
    versions: [],
    hasMore: false,
  });
});

test("EXPS5 a table that is replaced while it is listed ends the snapshot by name", async () => {
  const { writer, exporting } = await world();
  await writer.commit([[put(1, []), put(2, []), put(3, []), put(4, [])]]);
  const page = await exporting.listSnapshot(null, null, ANY);
  await writer.commit([[]], { catalog: { dropTables: [TABLE] } });
  await expect(exporting.listSnapshot(page.snapshot, page.cursor, ANY)).rejects.toMatchObject({
    code: "SnapshotTablesChanged",
  });
});
