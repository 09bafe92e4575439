import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { pushRequest } from "../support/deploy/push-request.ts";
import { FIXTURES } from "../support/paths.ts";
import { Caller } from "../support/proof/caller.ts";
import { Fuzzer } from "../support/proof/fuzz.ts";
import { rawRequest, type RawRequest } from "../support/proof/raw-request.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";

/** Whatever is sent, the answer is a refusal in time, and the deployment stays what it was. */

const HANG_MS = 30_000;
const CONCURRENCY = 8;

let backend: TestBackend;
let caller: Caller;
let random: SeededRandom;
let fuzzer: Fuzzer;

beforeAll(async () => {
  // A poll for logs is meant to be held open; here it must not be mistaken for a hang. Damaged code may loop for ever,
  // which only the watchdog can end.
  backend = await startBackend({
    app: join(FIXTURES, "proof-app"),
    env: { CONVECTION_LOG_HOLD_MS: "100", CONVECTION_WATCHDOG_MS: "5000" },
  });
  caller = new Caller(backend);
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  random = new SeededRandom(seed);
  fuzzer = new Fuzzer(random, [...FUNCTIONS, "entries", "progress", "by_client", "client"]);
  for (const client of ["c", "d"]) {
    for (let seq = 0; seq < 20; seq++) await caller.value("mutation", "work:record", { client, seq, amount: seq });
  }
  // Ids of the newest documents, those of `d`, which may be lost.
  const page = await caller.value<{ continueCursor: string; page: { _id: string }[] }>("query", "work:page", {
    cursor: null,
    numItems: 3,
  });
  for (const text of [page.continueCursor, ...page.page.map(({ _id }) => _id)]) fuzzer.learn(text);
});

afterAll(() => backend?.stop());

const FUNCTIONS = [
  ..."echo throws get normalize page range filter table rawQuery".split(" ").map((name) => `fuzz:${name}`),
  ..."insert patch replace remove rawMutation echoAction rawAction".split(" ").map((name) => `fuzz:${name}`),
  ..."work:record work:everything work:page work:act work:internalNote bank:transfer txn:a".split(" "),
];

const KINDS: Readonly<Record<string, "mutation" | "action">> = {
  "fuzz:insert": "mutation",
  "fuzz:patch": "mutation",
  "fuzz:replace": "mutation",
  "fuzz:remove": "mutation",
  "fuzz:rawMutation": "mutation",
  "fuzz:echoAction": "action",
  "fuzz:rawAction": "action",
  "work:record": "mutation",
  "work:act": "action",
  "bank:transfer": "mutation",
  "txn:a": "mutation",
};

const OPS = [
  ..."get insert shallowMerge replace remove queryStream queryStreamNext queryPage queryCleanup count".split(" "),
  ..."runUdf getUserIdentity schedule cancel_job storageGenerateUploadUrl storageGetUrl createFunctionHandle".split(
    " ",
  ),
  ..."db/normalizeId actions/query actions/mutation actions/action actions/schedule actions/vectorSearch nothing".split(
    " ",
  ),
  ..."componentArgument getFunctionMetadata getDeploymentMetadata getRequestMetadata getTransactionMetrics".split(" "),
];

/** Sends all requests, a few at a time. Anything but an answer below 500 is reported with the request that caused it. */
async function sendAll(requests: readonly RawRequest[]): Promise<Map<number, number>> {
  const wrong = new Map<string, RawRequest>();
  const broken = new Map<string, RawRequest>();
  const restarts = () => backend.logs.match(/most likely an endless loop in a function/g)?.length ?? 0;
  const restartsBefore = restarts();
  const statuses = new Map<number, number>();
  const waiting = requests.values();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (const request of waiting) {
        try {
          const { status, body } = await rawRequest(backend.url, request, HANG_MS);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          // The one refusal above 499 that bad input may get: a timestamp of long ago.
          const tooOld = status === 503 && body.includes('"OutOfRetention"');
          if ((status >= 500 && !tooOld) || status < 200) wrong.set(`${status} ${body.slice(0, 200)}`, request);
        } catch (error) {
          broken.set(String(error), request);
        }
      }
    }),
  );
  // Connections break when the watchdog restarts the runtime, and never otherwise.
  if (restarts() === restartsBefore) for (const [problem, request] of broken) wrong.set(problem, request);
  console.info({ ...Object.fromEntries(statuses), broken: broken.size, restarts: restarts() - restartsBefore });
  const shown = [...wrong].map(([problem, { body, ...request }]) => ({
    problem,
    ...request,
    body: body?.toString().slice(0, 2000),
  }));
  expect(
    shown,
    backend.logs
      .split("\n")
      .filter((line) => line.includes('"level":"error"'))
      .join("\n"),
  ).toEqual([]);
  return statuses;
}

function count(n: number, make: () => RawRequest): RawRequest[] {
  return Array.from({ length: n }, make);
}

function post(path: string, body: string, headers: Readonly<Record<string, string>> = {}): RawRequest {
  return { method: "POST", path, headers: { "content-type": "application/json", ...headers }, body };
}

function admin(): { authorization: string } {
  return { authorization: `Convex ${backend.adminKey}` };
}

/** The app and its data answer as before. */
async function alive(): Promise<unknown> {
  const hashes = await caller.post("/api/get_config_hashes", { adminKey: backend.adminKey, version: null });
  expect(hashes.status).toBe(200);
  const entries = await caller.value<number>("query", "work:count", { client: "c" });
  expect(entries).toBe(40);
  const seq = random.below(1e9);
  await caller.value("mutation", "work:note", { client: `alive ${seq}`, seq, amount: 1 });
  expect(await caller.value<number>("query", "work:count", { client: `alive ${seq}` })).toBe(2);
  return hashes.json();
}

/** A call with strange arguments. */
function strangeArguments(): { path: string; body: string } {
  const path = random.pick(FUNCTIONS);
  const kind = KINDS[path] ?? "query";
  const value = path.startsWith("fuzz:raw")
    ? `{"op":${JSON.stringify(`1.0/${random.pick(OPS)}`)},"sync":${random.chance(0.1)},"args":${fuzzer.json()}}`
    : fuzzer.json();
  const args = random.chance(0.8) ? `{"value":${value}}` : fuzzer.json();
  const format = random.pick(["json", "convex_encoded_json", "convex_json"]);
  const body = `{"path":${JSON.stringify(path)},"args":${args},"format":"${format}"}`;
  return { path: random.chance(0.9) ? `/api/${kind}` : "/api/function", body };
}

test("FUZZ1 arguments: ids, cursors, values and syscalls of any kind never break a function call", async () => {
  const before = await alive();
  const statuses = await sendAll(
    count(1500, () => {
      const { path, body } = strangeArguments();
      return post(path, body, random.chance(0.3) ? admin() : {});
    }),
  );
  expect(statuses.get(200)).toBeGreaterThan(300);
  expect(await alive()).toEqual(before);
});

test("FUZZ2 bodies, paths and headers of every endpoint", async () => {
  const before = await alive();
  const paths = [
    ..."/api/query /api/mutation /api/action /api/function /api/query_at_ts /api/query_batch /api/query_ts".split(" "),
    ..."/api/run/work/count /api/run/fuzz/echo /api/check_admin_key /api/stream_function_logs?cursor=0".split(" "),
    ..."/api/stream_udf_execution?cursor=0 /api/v1/get_canonical_urls /version /instance_version /instance_name".split(
      " ",
    ),
    ..."/echo / /api/get_config_hashes /api/deploy2/start_push /api/deploy2/finish_push /http/x /api/storage/x".split(
      " ",
    ),
  ];
  const bodies = [
    { path: "work:count", args: { client: "c" }, format: "json" },
    { path: "work:count", args: [{ client: "c" }], format: "convex_encoded_json", ts: "AAAAAAAAAAA=" },
    { queries: [{ path: "work:count", args: { client: "c" }, format: "json" }] },
    { adminKey: backend.adminKey, version: "1" },
    { path: "work:count", args: {}, ts: "AAAAAAAAAEA=" },
  ];
  const headers: Readonly<Record<string, readonly string[]>> = {
    "content-type": [
      "application/json",
      "application/json; charset=latin1",
      "text/plain",
      "",
      "application/x+json",
      ";",
    ],
    "content-encoding": ["br", "gzip", "identity", "", "x, y"],
    authorization: [
      `Convex ${backend.adminKey}`,
      "Convex",
      "Bearer",
      "Bearer a.b.c",
      "Basic eDp5",
      "x",
      `Convex ${backend.adminKey}:!!!`,
    ],
    "convex-client": ["npm-1.48.0", "npm-cli-0.0.1", "npm-x", "-", "1.2.3", "dashboard-9.9.9"],
    origin: ["null", "http://x", "*"],
    "convex-request-id": ["x", "0123456789abcdef", " "],
    "x-forwarded-for": ["", ",,,", "1.1.1.1, x"],
    "accept-encoding": ["gzip", "br;q=2", "*"],
    "access-control-request-headers": ["x", ""],
  };
  await sendAll(
    count(1200, () => {
      const path = random.pick(paths);
      const chosen = Object.keys(headers).filter(() => random.chance(0.15));
      const body = random.chance(0.7) ? fuzzer.mutate(random.pick(bodies)) : fuzzer.json();
      return {
        method: random.pick(["POST", "POST", "POST", "GET", "PUT", "OPTIONS", "DELETE", "HEAD"]),
        path: requestTarget(random.chance(0.3) ? fuzzer.damage(path) : path),
        headers: {
          ...(random.chance(0.9) ? { "content-type": "application/json" } : {}),
          ...Object.fromEntries(chosen.map((name) => [name, headerValue(random.pick(headers[name] ?? [""]))])),
        },
        body: random.chance(0.1) ? Buffer.from([0xff, 0xfe, ...Buffer.from(body.slice(0, 20))]) : body,
      };
    }).map((request) => (request.method === "GET" || request.method === "HEAD" ? { ...request, body: null } : request)),
  );
  await sendAll(
    count(200, () => ({
      method: "GET",
      path: requestTarget(
        `/api/query?path=${encodeURIComponent(wellFormed(fuzzer.text()))}&args=${encodeURIComponent(wellFormed(fuzzer.json()))}&format=${encodeURIComponent(wellFormed(fuzzer.text().slice(0, 20)))}`,
      ),
      headers: {},
      body: null,
    })),
  );
  expect(await alive()).toEqual(before);
});

test("FUZZ3 damaged pushes, sent with the admin key, are refused and leave the deployment as it was", async () => {
  const recorded = { ...(await pushRequest("proof-app")), adminKey: backend.adminKey, dryRun: false };
  const started = await caller.post("/api/deploy2/start_push", recorded);
  expect(started.status).toBe(200);
  const answer = (await started.json()) as { schemaChange: object };
  const { adminKey } = backend;
  // Finished once, so that finishing it again, with whatever beside its token, changes nothing.
  const finish = { adminKey, startPush: answer, dryRun: false, message: null };
  expect((await caller.post("/api/deploy2/finish_push", finish)).status).toBe(200);
  const before = await alive();
  const bodies: readonly (readonly [path: string, body: object])[] = [
    ["start_push", recorded],
    ["evaluate_push", recorded],
    ["evaluate_schema", recorded],
    ["wait_for_schema", { adminKey, schemaChange: answer.schemaChange, timeoutMs: 100, dryRun: false }],
    ["finish_push", finish],
    ["report_push_completed", { adminKey, spans: [] }],
  ];
  const statuses = await sendAll(
    count(300, () => {
      const [path, body] = random.pick(bodies);
      const text = fuzzer.mutate(body);
      const request = post(`/api/deploy2/${path}`, text, random.chance(0.8) ? admin() : {});
      if (!random.chance(0.2)) return request;
      const compressed = brotliCompressSync(text);
      const damaged = random.chance(0.3) ? compressed.subarray(0, random.below(compressed.length)) : compressed;
      return { ...request, headers: { ...request.headers, "content-encoding": "br" }, body: damaged };
    }),
  );
  expect(statuses.get(400)).toBeGreaterThan(60);
  expect(await alive()).toEqual(before);
  await sendAll(
    count(200, () => {
      const changes = { changes: [{ name: "FUZZ", value: "x" }, { name: "OTHER" }] };
      return post("/api/update_environment_variables", fuzzer.mutate(changes), admin());
    }),
  );
  await alive();
});

/** What an HTTP client can send as a header at all. */
function headerValue(text: string): string {
  return text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, "");
}

/** What an HTTP client can send in a request line at all: the rest of the fuzz goes through. */
function requestTarget(path: string): string {
  const target = path.replaceAll(/[^\u0021-\u007e]/g, "");
  return target.startsWith("/") ? target : `/${target}`;
}

function wellFormed(text: string): string {
  return text.toWellFormed();
}
