import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";

let miniflare: Miniflare;

beforeAll(async () => {
  const bundle = await build({
    entryPoints: [join(import.meta.dirname, "worker.ts")],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:workers"],
  });
  const script = bundle.outputFiles[0]?.text;
  if (script === undefined) throw new Error("Nothing was bundled");
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script,
      compatibilityDate: "2026-11-01",
      durableObjects: { TRANSACTOR: { className: "Transactor", useSQLite: true } },
    }),
  );
  await miniflare.ready;
});

afterAll(() => miniflare.dispose());

async function call(method: string, body: unknown = null): Promise<unknown> {
  const response = await miniflare.dispatchFetch("http://x/", {
    method: "POST",
    body: JSON.stringify({ method, body }),
  });
  return response.json();
}

const ID = "1".padStart(32, "0");

function mutation(name: string, more: object = {}): object {
  return {
    v: 1,
    path: { component: "", module: "counters.js", function: name },
    args: ID,
    identity: { kind: "none" },
    context: { requestId: "0".repeat(16), ip: null, userAgent: null, scheduledFunctionId: null, caller: "Tester" },
    visibility: "public",
    idempotency: null,
    ...more,
  };
}

test("TXR0 a load of the head that fails is told to the caller, and the next call loads again", async () => {
  await call("failLoads", 1);
  expect(await call("runMutation", mutation("add", { args: "2".padStart(32, "0") }))).toEqual({
    message: "The Transactor failed; its log says why.",
  });
  expect(await call("runMutation", mutation("add", { args: "2".padStart(32, "0") }))).toMatchObject({
    ok: true,
    value: "1",
  });
});

test("P-D-9 50 concurrent +1 through the Durable Object give 50, each answered once stored", async () => {
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => call("runMutation", mutation("add"))));
  const values = outcomes.map((outcome) => Number((outcome as { value: string }).value));
  expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  const latest = Math.max(...outcomes.map((outcome) => (outcome as { ts: number }).ts));
  expect(await call("latest")).toBe(latest);
  expect(await call("stored")).toMatchObject({ head: { ts: latest } });
});

test("TXR1 a failed mutation writes nothing and answers its failure", async () => {
  expect(await call("runMutation", mutation("fail"))).toEqual({
    ok: false,
    error: { message: "Uncaught Error: no" },
    logLines: [],
  });
  expect(await call("runMutation", mutation("add"))).toMatchObject({ value: "51" });
});

test("TXR2 coded errors keep class and code across RPC, bugs cross bare", async () => {
  expect(await call("runMutation", mutation("coded"))).toEqual({
    errorClass: "NotFound",
    code: "NoSuchThing",
    message: "There is no such thing.",
  });
  expect(await call("runMutation", mutation("bug"))).toEqual({ message: "The Transactor failed; its log says why." });
  expect(await call("raw", '{"v":2}')).toContain("UnsupportedVersion");
});

test("TXR3 a mutation with ids runs once", async () => {
  const request = mutation("add", { idempotency: { sessionId: "s", requestId: "1" } });
  const first = await call("runMutation", request);
  expect(await call("runMutation", request)).toEqual(first);
  expect(first).toMatchObject({ value: "52" });
});

test("TXR4 the catalog is changed with allocated rows, once per state it was computed from", async () => {
  const { head } = (await call("stored")) as { head: { catalogTs: number } };
  const { tables, indexIds } = (await call("allocate", {
    tables: [
      { component: "", name: "counters" },
      { component: "", name: "fresh" },
    ],
    indexes: 2,
  })) as { tables: { id: number; number: number }[]; indexIds: number[] };
  expect(tables.map((table) => table.number)).toEqual([10_001, 10_002]);
  expect(new Set(indexIds).size).toBe(2);
  const change = {
    expectedCatalogTs: head.catalogTs,
    change: { upsertTables: tables, values: [{ key: "app", value: { version: "1" } }] },
  };
  expect(await call("commitCatalog", change)).toMatchObject({ ok: true });
  expect(await call("commitCatalog", change)).toEqual({ ok: false, reason: "catalogChanged" });
  expect(await call("stored")).toMatchObject({ values: [["app", { version: "1" }]] });
  expect(await call("runMutation", mutation("add"))).toMatchObject({ value: "53" });
});

test("TXR6 background work that is announced while an alarm looks for some is done", async () => {
  await call("startBackground");
  // Alarms announce themselves to nobody: the object is asked until both have run, or the test's time is up.
  while (((await call("backgroundRuns")) as number) < 2) await setTimeout(10);
});
