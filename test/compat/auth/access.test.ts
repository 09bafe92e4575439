import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AdminKeys } from "../../../src/auth/admin-key.ts";
import { SYSTEM_QUERIES } from "../../../src/system/system-queries.ts";
import { SYSTEM_MUTATIONS } from "../../../src/system/system-mutations.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { Issuer } from "../../support/issuer.ts";
import { FIXTURES } from "../../support/paths.ts";
import { backend as fakeBackend } from "../../unit/http/backend.ts";

const SECRET = "0123456789abcdef".repeat(4);

/**
 * Whoever adds a route says here who may call it. `run`: everybody, as far as public functions go; `socket`: so does what
 * comes over it. `link`: who was given the URL. `signed`: the Node service, by its signature.
 */
const ACCESS: Readonly<Record<string, "open" | "run" | "socket" | "link" | "signed" | "admin" | "write">> = {
  "GET /": "open",
  "GET /version": "open",
  "GET /instance_version": "open",
  "GET /instance_name": "open",
  "GET /.well-known/jwks.json": "open",
  "GET /.well-known/openid-configuration": "open",
  "POST /echo": "open",
  "GET /api/authorize": "open",
  "POST /api/check_opt_ins": "open",
  "POST /api/query_ts": "open",
  "GET /api/sync": "socket",
  "GET /api/:version/sync": "socket",
  "GET /api/query": "run",
  "POST /api/query": "run",
  "POST /api/query_at_ts": "run",
  "POST /api/query_batch": "run",
  "POST /api/mutation": "run",
  "POST /api/action": "run",
  "POST /api/run/*": "run",
  "POST /api/function": "admin",
  "GET /api/check_admin_key": "admin",
  "GET /api/v1/get_canonical_urls": "admin",
  "GET /api/v1/deployment_info": "admin",
  "GET /api/shapes2": "admin",
  "GET /api/list_snapshot": "admin",
  "POST /api/list_snapshot": "admin",
  "GET /api/document_deltas": "admin",
  "POST /api/document_deltas": "admin",
  "GET /api/json_schemas": "admin",
  "GET /api/test_streaming_export_connection": "admin",
  "GET /api/get_source_code": "admin",
  "GET /api/get_indexes": "admin",
  "GET /api/app_metrics/udf_rate": "admin",
  "GET /api/app_metrics/cache_hit_percentage": "admin",
  "GET /api/app_metrics/latency_percentiles": "admin",
  "GET /api/app_metrics/function_call_count_top_k": "admin",
  "GET /api/app_metrics/failure_percentage_top_k": "admin",
  "GET /api/app_metrics/cache_hit_percentage_top_k": "admin",
  "GET /api/app_metrics/table_rate": "admin",
  "GET /api/app_metrics/scheduled_job_lag": "admin",
  "GET /api/app_metrics/subscription_invalidations_top_k": "admin",
  "GET /api/app_metrics/function_concurrency": "admin",
  "POST /api/run_test_function": "admin",
  "GET /api/stream_function_logs": "admin",
  "GET /api/stream_udf_execution": "admin",
  "GET /api/app_metrics/stream_function_logs": "admin",
  "GET /api/app_metrics/stream_udf_execution": "admin",
  "POST /api/get_config_hashes": "admin",
  "POST /api/get_config": "admin",
  "POST /api/deploy2/report_push_completed": "admin",
  "POST /api/deploy2/start_push": "write",
  "POST /api/deploy2/evaluate_push": "write",
  "POST /api/deploy2/evaluate_schema": "write",
  "POST /api/deploy2/wait_for_schema": "write",
  "POST /api/deploy2/finish_push": "write",
  "POST /api/prepare_schema": "write",
  "GET /api/schema_state/:schemaId": "write",
  "POST /api/push_config": "write",
  "POST /api/update_environment_variables": "write",
  "POST /api/v1/update_environment_variables": "write",
  "GET /api/v1/list_environment_variables": "admin",
  "POST /api/v1/pause_deployment": "write",
  "POST /api/v1/unpause_deployment": "write",
  "POST /api/change_deployment_state": "write",
  "POST /api/cancel_job": "write",
  "POST /api/cancel_all_jobs": "write",
  "POST /api/delete_tables": "write",
  "POST /api/delete_component": "write",
  "POST /api/delete_scheduled_functions_table": "write",
  "POST /api/import/start_upload": "write",
  "POST /api/import/upload_part": "write",
  "POST /api/import/finish_upload": "write",
  "POST /api/perform_import": "write",
  "POST /api/cancel_import": "write",
  "POST /api/export/request/zip": "write",
  "GET /api/export/zip/:ts": "write",
  "POST /api/storage/upload": "link",
  "GET /api/storage/:name": "link",
  "GET /api/node/packages/:hash": "signed",
  "POST /api/node/syscall": "signed",
};

const ROUTES = [
  ...new Set(
    fakeBackend()
      .app.routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path}`),
  ),
];

interface Caller {
  readonly authorization?: string;
  /** Push routes are asked again in their body. */
  readonly adminKey: string;
}

let app: AppCopy;
let issuer: Issuer;
let backend: TestBackend;
let callers: Record<"nobody" | "user" | "wrong key" | "read-only key", Caller>;

beforeAll(async () => {
  issuer = await Issuer.start();
  app = new AppCopy(join(FIXTURES, "auth-app"));
  backend = await startBackend({ env: { CONVECTION_SECRET: SECRET } });
  await convex(app.path, backend, ["env", "set", "ISSUER", issuer.url]);
  const { code, stderr } = await convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
  if (code !== 0) throw new Error(stderr);
  const keys = await AdminKeys.create("convection", [SECRET]);
  const readOnly = await keys.issue({ readOnly: true });
  const wrong = `convection|01${"ab".repeat(32)}`;
  callers = {
    nobody: { adminKey: wrong },
    user: { authorization: `Bearer ${await issuer.token()}`, adminKey: wrong },
    "wrong key": { authorization: `Convex ${wrong}`, adminKey: wrong },
    "read-only key": { authorization: `Convex ${readOnly}`, adminKey: readOnly },
  };
});

afterAll(async () => {
  await backend?.stop();
  await issuer?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
});

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function call(route: string, { authorization, adminKey }: Caller, path: string): Promise<Answer> {
  const [method = "", pattern = ""] = route.split(" ");
  const query = pattern === "/api/query" ? `?path=${path}&args={}` : "?cursor=0";
  const url = `${backend.url}${pattern.replace("*", path.replace(":", "/"))}${method === "GET" ? query : ""}`;
  const one = { path, args: {} };
  const bundle = { path: "testQuery.js", source: "export default 1;" };
  const body = JSON.stringify({ ...one, queries: [one], changes: [], ts: await oldTs(), adminKey, bundle });
  const headers = { "content-type": "application/json", ...(authorization !== undefined && { authorization }) };
  const response = await fetch(url, { method, headers, ...(method === "POST" && { body }) });
  return { status: response.status, text: await response.text() };
}

async function oldTs(): Promise<unknown> {
  const response = await fetch(`${backend.url}/api/query_ts`, { method: "POST" });
  return ((await response.json()) as { ts: unknown }).ts;
}

test("TOKEN7 every route is in the table of who may call it", () => {
  expect(ROUTES.toSorted()).toEqual(Object.keys(ACCESS).toSorted());
});

describe("routes", () => {
  const named = (access: string): string[] => Object.keys(ACCESS).filter((route) => ACCESS[route] === access);

  test.each([...named("admin"), ...named("write")])("TOKEN7 E-G-1 %s is for admins", async (route) => {
    for (const [caller, status] of [
      ["nobody", /^40[13]$/],
      ["user", /^403$/],
      ["wrong key", /^401$/],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- three
      const answer = await call(route, callers[caller], "who:am");
      expect(`${answer.status}`, caller).toMatch(status);
      expect(JSON.parse(answer.text), caller).toEqual({
        code: expect.stringMatching(/^Bad(AdminKey|DeployKey)$/),
        message: "The provided admin key was invalid for this instance",
      });
    }
  });

  test.each(named("admin"))("TOKEN7 %s may be read with a read-only key", async (route) => {
    const { status, text } = await call(route, callers["read-only key"], "who:am");
    expect([401, 403], text).not.toContain(status);
  });

  test.each(named("write"))("TOKEN7 %s needs more than a read-only key", async (route) => {
    const { status, text } = await call(route, callers["read-only key"], "who:am");
    expect([status, JSON.parse(text).code]).toEqual([403, "OperationNotPermitted"]);
  });

  test.each(named("open"))("TOKEN7 %s is for everybody and tells everybody the same", async (route) => {
    const answers = await Promise.all(Object.values(callers).map((caller) => call(route, caller, "who:am")));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    if (route.endsWith("/echo") || route.endsWith("/query_ts")) return;
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  test.each([...named("link"), ...named("signed")])("TOKEN7 %s opens by no key", async (route) => {
    const answers = await Promise.all(Object.values(callers).map((caller) => call(route, caller, "who:am")));
    for (const { status } of answers) expect([400, 401, 404]).toContain(status);
    expect(new Set(answers.map(({ status }) => status)).size).toBe(1);
  });

  test.each(named("run"))("TOKEN7 %s reaches no internal function without a key", async (route) => {
    for (const caller of ["nobody", "user"] as const) {
      // oxlint-disable-next-line no-await-in-loop -- two
      const { text } = await call(route, callers[caller], "inner:am");
      expect(text, caller).toContain("Could not find");
      expect(text, caller).not.toContain('"success"');
    }
    expect((await call(route, callers["wrong key"], "inner:am")).status).toBe(401);
  });
});

describe("sockets", () => {
  test.each(["nobody", "user"] as const)("TOKEN7 %s subscribes to no internal and no system function", async (name) => {
    const paths = ["inner:am", ...SYSTEM_QUERIES.keys()];
    const { authorization } = callers[name];
    const socket = new WebSocket(`${backend.url.replace("http", "ws")}/api/1.48.0/sync`);
    try {
      await once(socket, "open");
      const send = (message: object): void => socket.send(JSON.stringify(message));
      send({ type: "Connect", sessionId: randomUUID(), connectionCount: 0, lastCloseReason: null });
      const value = authorization?.replace("Bearer ", "");
      if (value !== undefined) send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value });
      const modifications = paths.map((udfPath, queryId) => ({ type: "Add", queryId, udfPath, args: [{}] }));
      send({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications });
      const seen: { type: string; errorMessage: string }[] = [];
      while (seen.length < paths.length) {
        // oxlint-disable-next-line no-await-in-loop -- one message after the other
        const [{ data }] = (await once(socket, "message")) as [{ data: string }];
        const message = JSON.parse(data) as { type: string; modifications?: typeof seen };
        expect(["Transition", "Ping"], data).toContain(message.type);
        seen.push(...(message.modifications ?? []));
      }
      for (const { type, errorMessage } of seen) {
        expect([type, errorMessage]).toEqual([
          "QueryFailed",
          expect.stringContaining("Could not find public function"),
        ]);
      }
    } finally {
      socket.close();
    }
  });
});

describe("system functions", () => {
  const routes = Object.keys(ACCESS).filter((route) => ACCESS[route] === "run");

  test.each([...SYSTEM_MUTATIONS.keys()])("TOKEN7 SYS8 %s exists for admins who may write", async (path) => {
    for (const route of routes) {
      // oxlint-disable-next-line no-await-in-loop -- one caller after the other
      for (const caller of [callers.nobody, callers.user]) {
        // oxlint-disable-next-line no-await-in-loop -- as above
        const { text } = await call(route, caller, path);
        expect(text, route).toMatch(/Could not find|System functions can only be called with an admin key/);
      }
    }
    for (const route of ["POST /api/mutation", "POST /api/function"]) {
      // oxlint-disable-next-line no-await-in-loop -- two
      const { status, text } = await call(route, callers["read-only key"], path);
      expect([status, JSON.parse(text).code], route).toEqual([403, "OperationNotPermitted"]);
    }
  });

  test.each([...SYSTEM_QUERIES.keys()])("TOKEN7 %s exists for admins alone", async (path) => {
    for (const route of routes) {
      // oxlint-disable-next-line no-await-in-loop -- one caller after the other
      for (const caller of [callers.nobody, callers.user]) {
        // oxlint-disable-next-line no-await-in-loop -- as above
        const { text } = await call(route, caller, path);
        expect(text, route).not.toContain('"success"');
        expect(text, route).toMatch(/Could not find|System functions can only be called with an admin key/);
      }
    }
    const { status, text } = await call("POST /api/query", callers["read-only key"], path);
    expect(status).toBe(200);
    expect(text).not.toContain("Could not find public function");
    for (const kind of ["mutation", "action"]) {
      // oxlint-disable-next-line no-await-in-loop -- two
      expect((await call(`POST /api/${kind}`, callers["read-only key"], path)).status).toBe(403);
    }
  });
});
