import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { ConvexError, type Value } from "convex/values";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually } from "../../support/scheduled-jobs.ts";
import { sha256 } from "../../support/stored-files.ts";
import { Api, type Json, newGroup } from "../runtime/api.ts";

/** What actions in Node have of their deployment: the same as those of the default runtime, however they are called. */

let app: AppCopy;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "node-proof-app"));
  backend = await startBackend({ app: app.path });
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

type Work = (work: string, args?: Value, run?: string) => Promise<Json>;

/** The same code in the default runtime. */
const here: Work = (work, args = {}, run = newGroup()) => api.value("action", "data:here", { run, work, args });
const there: Work = (work, args = {}, run = newGroup()) => api.value("action", "node:there", { run, work, args });

function relayed(by: string): Work {
  return (work, args = {}, run = newGroup()) =>
    api.value("action", by, { name: "node:there", args: { run, work, args } });
}

function tags(run: string): Promise<readonly string[]> {
  return api.value("query", "data:tags", { run });
}

/** In Node, `storage.get` asks for the URL of the file, and refusals name that. */
function named({ message, ...rest }: Json): Json {
  return { ...rest, message: message.replace("storage.getUrl", "storage.get") };
}

const VALUES: Value = {
  numbers: [0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MAX_VALUE, 5e-324],
  big: [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
  bytes: [new ArrayBuffer(0), new Uint8Array([0, 1, 255]).buffer],
  texts: ["", "grüße", "👩‍🚀", "\u0000", "a\u2028b"],
  rest: [null, true, false, [], {}, [[{ deep: [null] }]]],
};

describe.each<[string, Work]>([
  ["over HTTP", there],
  ["through ctx.runAction of the default runtime", relayed("data:relay")],
  ["through ctx.runAction of a Node action", relayed("node:relay")],
])("%s", (_way, work) => {
  test("P-B-2 P-B-3 P-B-4 a file that is stored is read again, by its id and by its URL", async () => {
    for (const type of ["text/x-note", undefined]) {
      const args = { text: "grüße", ...(type !== undefined && { type }) };
      const { id, url, ...read } = await work("storeAndRead", args);
      const { id: ours, url: theirs, ...expected } = await here("storeAndRead", args);
      expect(read).toEqual(expected);
      expect(read).toMatchObject({ got: { text: "grüße", type: type ?? "", size: 7, isBlob: true }, isString: true });
      expect([typeof ours, typeof theirs]).toEqual(["string", "string"]);
      const document = await api.value("query", "data:fileOf", { id });
      expect(document.url).toBe(url);
      expect(document.metadata).toMatchObject({ sha256: sha256("grüße"), size: 7 });
      expect(document.metadata.contentType).toBe(type ?? null);
    }
  });

  test("P-B-1 P-B-2 P-B-5 upload URLs, hashes and deletion", async () => {
    expect(await work("uploadByUrl", { text: "uploaded" })).toEqual([
      200,
      { text: "uploaded", type: "text/x-uploaded", size: 8, isBlob: true },
    ]);
    const text = "text";
    expect(await work("storeAndRead", { text, sha256: sha256(text) })).toMatchObject({ got: { text } });
    const wrong = { text, sha256: sha256("other") };
    const refused = await work("wrongHash", wrong);
    expect(refused.message).toContain(`Sha256 mismatch. Expected: ${wrong.sha256} Actual: ${sha256(text)}`);
    expect(await work("deleted", { text })).toEqual(await here("deleted", { text }));
    expect((await work("deleted", { text })).got).toBeNull();
  });

  test("E-E-9 E-E-10 what is no Blob and what is no storage id is refused in the same words", async () => {
    expect((await work("noBlob")).message).toContain("store() expects a Blob.");
    for (const id of ["no id", "", 7]) {
      const refused = await work("noFile", { id });
      expect(refused.map(named)).toEqual((await here("noFile", { id })).map(named));
      expect(refused).toHaveLength(3);
      for (const { message } of refused) expect(message).toContain("storage");
    }
  });

  test("P-B-2 a file of 20 MiB", async () => {
    const bytes = 20 * 1024 * 1024;
    const { id, ...stored } = await work("storeLarge", { bytes });
    expect(stored).toEqual({ length: bytes, same: true });
    expect((await api.value("query", "data:fileOf", { id })).metadata.size).toBe(bytes);
  });

  test("P-V-4 S0-21 a search gives what it gives in the default runtime, refusals included", async () => {
    const run = newGroup();
    const points = [
      [1, 0, 0],
      [0.5, 0.5, 0],
      [0, 0, 1],
      [-1, 0, 0],
    ].map((vector) => ({ run, vector }));
    const ids: string[] = await api.value("mutation", "data:addPoints", { points });
    const vector = [1, 0, 0];
    const { value } = await work("search", { vector }, run);
    expect(value.map(({ _id }: Json) => _id)).toEqual(ids);
    expect(value[0]._score).toBeCloseTo(1, 6);
    for (const args of [
      { vector },
      { vector, limit: 2 },
      { vector, limit: 257 },
      { vector: [1, 0] },
      { vector, index: "by_nothing" },
      { vector, table: "nothing" },
      { vector: "no vector" },
    ]) {
      expect(await work("search", args, run)).toEqual(await here("search", args, run));
    }
    expect((await work("search", { vector, limit: 257 }, run)).message).toContain("256");
  });

  test("P-V-3 P-V-4 what a Node action has written is found by its next search", async () => {
    expect(await work("insertAndSearch", { vector: [0, 3, 4] })).toEqual([[true, expect.closeTo(1, 6)]]);
  });

  test("P-S-1 P-S-4 P-S-7 it schedules mutations and actions of both runtimes, for a delay or a time, and cancels", async () => {
    const run = newGroup();
    const at = Date.now() + 500;
    const { ids, canceled } = await work("schedules", { at }, run);
    const done = await eventually(async () => {
      const all: Json[] = await api.value("query", "data:jobs");
      const mine = all.filter(({ _id }) => [...ids, canceled].includes(_id));
      return mine.every(({ state }) => !["pending", "inProgress"].includes(state.kind)) ? mine : null;
    });
    const names = { "data.js:effect": 3, "node.js:effect": 1, "data.js:hereEffect": 1 };
    expect(
      Object.fromEntries(Object.keys(names).map((name) => [name, done.filter((job) => job.name === name).length])),
    ).toEqual(names);
    for (const { _id, state, scheduledTime } of done) {
      expect(state).toEqual({ kind: _id === canceled ? "canceled" : "success" });
      if (_id === ids[2] || _id === ids[3]) expect(scheduledTime).toBe(at);
    }
    expect((await tags(run)).toSorted()).toEqual(["at a date", "default action", "mutation", "node action"]);
  });

  test("P-S-2 E-B-8 E-B-9 E-B-11 what can't be scheduled is refused in the same words", async () => {
    const year = new Date().getUTCFullYear();
    const refused = await work("scheduleWrongly", { year });
    expect(refused).toEqual(await here("scheduleWrongly", { year }));
    expect(refused.map(({ message }: Json) => message)).toEqual([
      expect.stringContaining("`delayMs` must be a number"),
      expect.stringContaining("`delayMs` must be non-negative"),
      expect.stringContaining("`delayMs` must be a finite number"),
      expect.stringContaining("The invoke time must a Date or a timestamp"),
      expect.stringContaining("is more than 5 years in the future"),
      expect.stringContaining("is more than 5 years in the past"),
      expect.stringContaining("Attempted to schedule function at nonexistent path: nowhere.js"),
      expect.stringContaining("Attempted to schedule function, but no exported function missing found"),
      expect.stringContaining("Invalid scheduled function ID."),
    ]);
  });

  test("P-F-6 values of every kind cross both ways whole", async () => {
    expect(await work("passesValues", { value: VALUES })).toEqual(VALUES);
    // `toEqual` takes -0 for 0.
    expect(Object.is((await work("passesValues", { value: -0 })) as number, -0)).toBe(true);
  });

  test("P-F-16 a ConvexError is caught with its data, and is one", async () => {
    expect(await work("catches")).toEqual({
      name: "ConvexError",
      message: expect.any(String),
      isConvexError: true,
      data: { reason: "refused", tag: "never" },
    });
    for (const value of [VALUES, "text", null, 1n]) {
      const caught = await work("catchesQuery", { value });
      expect(caught).toEqual(await here("catchesQuery", { value }));
      expect([caught.isConvexError, caught.data]).toEqual([true, value]);
    }
    const wrong = await work("wrongArguments");
    expect(wrong).toEqual(await here("wrongArguments"));
    expect(wrong.message).toContain("ArgumentValidationError");
  });
});

test("P-F-6 values of every kind go over the socket and to Node and back whole, in every kind of function", async () => {
  const client = new ConvexClient(backend.url);
  try {
    const args = { run: "socket", work: "passesValues", args: { value: VALUES } };
    expect(await client.action(anyApi.node!.there!, args)).toEqual(VALUES);
    expect(await client.action(anyApi.data!.here!, args)).toEqual(VALUES);
    expect(await client.query(anyApi.data!.echo!, { value: VALUES })).toEqual(VALUES);
    expect(await client.mutation(anyApi.data!.echoInMutation!, { value: VALUES })).toEqual(VALUES);
    expect(Object.is(await client.query(anyApi.data!.echo!, { value: -0 }), -0)).toBe(true);
  } finally {
    await client.close();
  }
});

test("P-F-16 a ConvexError thrown in Node reaches the official client with its data, whoever called", async () => {
  const client = new ConvexHttpClient(backend.url);
  const args = { run: "data", work: "throwsData", args: { value: VALUES } };
  for (const call of [
    () => client.action(anyApi.node!.there!, args),
    () => client.action(anyApi.data!.relay!, { name: "node:there", args }),
    () => client.action(anyApi.node!.relay!, { name: "node:there", args }),
  ]) {
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConvexError);
    expect(error).toMatchObject({ data: VALUES });
  }
});

test("P-S-4 S0-20 what an action in Node scheduled runs although the action throws", async () => {
  const run = newGroup();
  const args = { run, work: "schedulesAndThrows", args: {} };
  expect(await api.error("action", "node:there", args)).toContain("after all not");
  await eventually(async () => ((await tags(run)).includes("although it threw") ? true : null));
});

async function exports(value: string): Promise<void> {
  const { code, stderr } = await convex(app.path, backend, ["env", "set", "EXPORTS", value]);
  if (code !== 0) throw new Error(stderr);
}

const failureBy = (by: string, name: string) => api.error("action", by, { name, args: {} });

test("E-A-2b an export that was an action when it was pushed, and is not when it is called", async () => {
  expect(await api.value("action", "conditional:sometimes")).toBe("there");
  for (const [value, name, text] of [
    ["nothing", "sometimes", "Couldn't find action `sometimes` in `conditional.js`"],
    ["a number", "sometimes", "Couldn't find action `sometimes` in `conditional.js`"],
    ["an object", "other", "`other` wasn't registered as a Convex action in `conditional.js`"],
  ] as const) {
    await exports(value);
    const path = `conditional:${name}`;
    expect((await api.error("action", path)).trim()).toBe(text);
    expect(await failureBy("data:relay", path)).toContain(text);
    expect(await failureBy("node:relay", path)).toContain(text);
    // Others of the module are there.
    expect(await api.value("action", "conditional:always")).toBe(value);
  }
  await exports("everything");
  expect(await api.value("action", "conditional:sometimes")).toBe("there");
});
