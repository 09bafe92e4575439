import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { TroubledCallbacks, type Trouble } from "../../support/node-service/troubled-callbacks.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually } from "../../support/scheduled-jobs.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";
import { Api, type Json, newGroup } from "../runtime/api.ts";

/** Callbacks of Node actions over a network that loses requests and answers. */

const ATTEMPTS = 5;
const TROUBLES: readonly Trouble[] = ["none", "lost", "answer lost", "cut", "busy", "busy after"];

let network: TroubledCallbacks;
let app: AppCopy;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  network = await TroubledCallbacks.start();
  app = new AppCopy(join(FIXTURES, "node-proof-app"));
  backend = await startBackend({ env: { NODE_CALLBACK_URL: network.url, CONVECTION_NODE_CALLBACK_RETRY_MS: "20" } });
  network.worker = backend.url;
  const { code, stderr } = await convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
  if (code !== 0) throw new Error(stderr);
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
  await network?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
  expect(network.failures).toEqual([]);
});

beforeEach(() => network.from(() => "none"));

interface Result {
  readonly ok: boolean;
  readonly value?: Json;
  readonly message?: string;
  readonly data?: Json;
}

function operations(run: string, ...wanted: readonly { kind: string; tag: string }[]): Promise<readonly Result[]> {
  return api.value("action", "node:operations", { run, operations: [...wanted] });
}

async function operation(run: string, kind: string, tag = "one"): Promise<Result> {
  const [result] = await operations(run, { kind, tag });
  if (result === undefined) throw new Error("one operation has one result");
  return result;
}

function tags(run: string): Promise<readonly string[]> {
  return api.value("query", "data:tags", { run });
}

test("NODE14 E-C-15 200 mutations of Node actions over a broken network take effect exactly once, and each is answered with its own result", async () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  network.from((op, attempt) => (op === "1.0/actions/mutation" && attempt < ATTEMPTS ? random.pick(TROUBLES) : "none"));
  const run = newGroup();
  const names = Array.from({ length: 200 }, (_, n) => `effect ${n}`);
  const each = 25;
  const results = await Promise.all(
    Array.from({ length: names.length / each }, (_, n) =>
      operations(run, ...names.slice(n * each, (n + 1) * each).map((tag) => ({ kind: "mutation", tag }))),
    ),
  );
  expect(results.flat().filter(({ ok }) => !ok)).toEqual([]);
  // What was answered on another attempt is what the first one wrote.
  expect(results.flat().map(({ value }) => value.tag)).toEqual(names);
  expect((await tags(run)).toSorted()).toEqual(names.toSorted());
  for (const { value } of results.flat().slice(0, 20)) {
    expect(await api.value("query", "data:idOf", { run, tag: value.tag })).toEqual([value.id]);
  }
  // There was trouble of every kind, and attempts of one mutation shared an id that no other had.
  const met = new Set(network.seen.map(({ trouble }) => trouble));
  expect([...met].toSorted()).toEqual([...TROUBLES].toSorted());
  expect(new Set(network.seen.map(({ id }) => id)).size).toBe(names.length);
  expect(network.seen.length).toBeGreaterThan(1.5 * names.length);
});

test.for<Trouble>(["answer lost", "cut", "busy after"])(
  "E-C-15 a mutation whose answer is lost four times (%s) has written, nested and scheduled once",
  async (trouble) => {
    network.from((op, attempt) => (op === "1.0/actions/mutation" && attempt < ATTEMPTS ? trouble : "none"));
    const run = newGroup();
    expect(await operation(run, "several")).toEqual({ ok: true, value: null });
    expect(network.seen.filter(({ op }) => op === "1.0/actions/mutation")).toHaveLength(ATTEMPTS);
    const written = await eventually(async () => {
      const found = await tags(run);
      return found.includes("one scheduled") ? found : null;
    });
    expect(written.toSorted()).toEqual(["one", "one nested", "one scheduled"]);
    const jobs: Json[] = await api.value("query", "data:jobs");
    expect(jobs.filter(({ args }) => args[0].run === run)).toHaveLength(1);
  },
);

test("E-C-15 a mutation that throws is told so on every attempt, data and all, and leaves nothing", async () => {
  for (const trouble of TROUBLES) {
    network.from((op, attempt) => (op === "1.0/actions/mutation" && attempt === 1 ? trouble : "none"));
    const run = newGroup();
    expect(await operation(run, "refuse")).toMatchObject({ ok: false, data: { reason: "refused", tag: "one" } });
    expect(await tags(run)).toEqual([]);
  }
});

test("E-C-15 what is given up after five attempts says how, and a mutation has taken effect at most once", async () => {
  const network5 = /^Transient network error running (query|mutation) \((ECONNRESET|UND_ERR_SOCKET), 5 attempts\)$/;
  for (const [kind, trouble, text, effects] of [
    ["query", "lost", network5, 0],
    ["mutation", "lost", network5, 0],
    ["mutation", "answer lost", network5, 1],
    ["query", "busy", /^Transient error while running query: HTTP status 503$/, 0],
    ["mutation", "busy", /^Transient error while running mutation: HTTP status 503$/, 0],
    ["mutation", "busy after", /^Transient error while running mutation: HTTP status 503$/, 1],
  ] as const) {
    network.from(() => trouble);
    const run = newGroup();
    const result = await operation(run, kind);
    expect(network.seen).toHaveLength(ATTEMPTS);
    expect(result.message).toMatch(text);
    expect(await tags(run)).toHaveLength(effects);
  }
});

test("E-C-15 what is refused is not tried again", async () => {
  network.from(() => "denied");
  for (const [kind, name] of [
    ["query", "query"],
    ["mutation", "mutation"],
    ["schedule", "schedule"],
  ] as const) {
    const run = newGroup();
    expect((await operation(run, kind)).message).toBe(`Invalid ${name} request: HTTP status 403`);
    expect(await tags(run)).toEqual([]);
  }
  expect(network.seen).toHaveLength(3);
});

test("E-C-15 S0-43 an action, a schedule, a file and a search whose connection breaks are tried once", async () => {
  const run = newGroup();
  const stored = await operation(run, "store", "kept");
  const jobsBefore = (await api.value("query", "data:jobs")).length;
  const filesBefore = (await api.value("query", "data:files")).length;
  for (const [kind, op] of [
    ["action", "action"],
    ["schedule", "schedule"],
    ["upload", "storageGenerateUploadUrl"],
    ["store", "storageGenerateUploadUrl"],
    ["url", "storageGetUrl"],
    ["get", "storageGetUrl"],
    ["vectorSearch", "vectorSearch"],
  ] as const) {
    for (const trouble of ["lost", "busy"] as const) {
      network.from(() => trouble);
      const tag = kind === "url" || kind === "get" ? stored.value : "one";
      const { message } = await operation(run, kind, tag);
      expect(network.seen.map((seen) => seen.trouble)).toEqual([trouble]);
      expect(message).toMatch(
        trouble === "lost"
          ? new RegExp(`^Transient network error running ${op} \\((ECONNRESET|UND_ERR_SOCKET), 1 attempts\\)$`)
          : new RegExp(`^Transient error while running ${op}: HTTP status 503$`),
      );
    }
  }
  // The Worker saw none of it.
  expect(await tags(run)).toEqual([]);
  expect(await api.value("query", "data:jobs")).toHaveLength(jobsBefore);
  expect(await api.value("query", "data:files")).toHaveLength(filesBefore);
});

test("E-C-15 S0-43 an action, a schedule and a deletion whose answer is lost have happened once, and fail", async () => {
  const run = newGroup();
  const stored = await operation(run, "store", "kept");
  const top = (wanted: string) => (op: string, attempt: number) =>
    op === wanted && attempt === 1 ? ("answer lost" as const) : ("none" as const);
  network.from(top("1.0/actions/action"));
  expect((await operation(run, "action", "by action")).message).toMatch(/^Transient network error running action/);
  network.from(top("1.0/actions/schedule"));
  expect((await operation(run, "schedule", "by job")).message).toMatch(/^Transient network error running schedule/);
  network.from(top("1.0/storageDelete"));
  expect((await operation(run, "delete", stored.value)).message).toMatch(/^Transient network error/);
  const written = await eventually(async () => {
    const found = await tags(run);
    return found.includes("by job") ? found : null;
  });
  expect(written.toSorted()).toEqual(["by action", "by job"]);
  expect((await api.value("query", "data:fileOf", { id: stored.value })).metadata).toBeNull();
});
