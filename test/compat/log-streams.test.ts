import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { AppCopy, convex } from "../support/convex-cli.ts";
import { Issuer } from "../support/issuer.ts";
import { LogReceiver, type StreamEvent } from "../support/log-receiver.ts";
import { FIXTURES } from "../support/paths.ts";

const SECRET = "a secret of the receiver's";

let app: AppCopy;
let issuer: Issuer;
let receiver: LogReceiver;
let backend: TestBackend;

beforeAll(async () => {
  issuer = await Issuer.start();
  receiver = await LogReceiver.start(SECRET);
  app = new AppCopy(join(FIXTURES, "log-streams-app"));
  backend = await startBackend({
    env: {
      CONVECTION_INSTANCE_NAME: "happy-animal-123",
      CONVECTION_DEPLOYMENT_TYPE: "preview",
      CONVECTION_PROJECT_NAME: "My Notes",
      CONVECTION_LOG_STREAM_URL: receiver.url,
      CONVECTION_LOG_STREAM_SECRET: SECRET,
      CONVECTION_SENTRY_DSN: receiver.dsn,
    },
  });
  for (const args of [
    ["env", "set", "ISSUER", issuer.url],
    ["deploy", "--typecheck", "disable"],
  ]) {
    const { code, stderr } = await convex(app.path, backend, args);
    if (code !== 0) throw new Error(stderr);
  }
});

afterAll(async () => {
  await backend?.stop();
  await receiver?.[Symbol.asyncDispose]();
  await issuer?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
});

let requests = 0;

/** Calls under a request id of its own. */
async function call(kind: string, path: string, args: object = {}, headers: Record<string, string> = {}) {
  const requestId = (++requests).toString(16).padStart(16, "0");
  const response = await fetch(`${backend.url}/api/${kind}`, {
    method: "POST",
    headers: { "content-type": "application/json", "convex-request-id": requestId, ...headers },
    body: JSON.stringify({ path, args, format: "json" }),
  });
  const answer: { status: string; value?: unknown; errorMessage?: string } = await response.json();
  return { requestId, ...answer };
}

const ended =
  (path: string, requestId?: string) =>
  ({ topic, function: f }: StreamEvent) =>
    topic === "function_execution" && f.path === path && (requestId === undefined || f.request_id === requestId);

const ABOUT = {
  deployment_name: "happy-animal-123",
  deployment_type: "preview",
  project_name: "My Notes",
  project_slug: "my-notes",
};

test("P-X-5 a push and a changed variable are audit_log events, once each", async () => {
  const push = await receiver.event(({ audit_log_action: action }) => action === "push_config_with_components");
  expect(push).toMatchObject({ topic: "audit_log", timestamp: expect.any(Number), convex: ABOUT });
  expect(JSON.parse(push.audit_log_metadata)).toMatchObject({ component_diffs: [{ component_path: null }] });
  const changes = receiver.events.filter(({ topic }) => topic === "audit_log");
  expect(changes.map(({ audit_log_action: action }) => action)).toEqual([
    "create_environment_variable",
    "push_config_with_components",
  ]);
  expect(changes[0].audit_log_metadata).toBe('{"variable_name":"ISSUER"}');
});

test.each([
  ["query", "notes:list", {}, "query", ["WARN", "'listing' 'notes'"]],
  ["mutation", "notes:add", { text: "one" }, "mutation", ["LOG", "'adding'"]],
  ["action", "notes:act", {}, "action", ["LOG", "'acting'"]],
  ["action", "work:act", {}, "action", ["INFO", "'in Node' 'v'"]],
])(
  "P-X-5 a %s %s: its console lines, then its function_execution",
  async (kind, path, args, type, [level, message]) => {
    const { requestId, status } = await call(kind, path, args);
    expect(status).toBe("success");
    const execution = await receiver.event(ended(path, requestId));
    expect(execution).toMatchObject({
      function: { type, path, request_id: requestId },
      timestamp: expect.any(Number),
      execution_time_ms: expect.any(Number),
      status: "success",
      run_reason: "http_api",
      usage: { database_read_bytes: expect.any(Number), database_write_bytes: expect.any(Number) },
      convex: ABOUT,
    });
    expect(execution).not.toHaveProperty("error_message");
    expect(execution).not.toHaveProperty("scheduler_info");
    expect(execution.function.cached).toBe(kind === "query" ? false : undefined);
    if (kind === "mutation") {
      expect(execution.usage.database_write_bytes).toBeGreaterThan(0);
      expect(execution.mutation_retry_count).toBe(0);
    }
    const before = receiver.events.slice(0, receiver.events.indexOf(execution));
    const lines = before.filter(({ topic, function: f }) => topic === "console" && f.request_id === requestId);
    expect(lines.filter((line) => line.function.path === path)).toEqual([
      {
        topic: "console",
        timestamp: expect.any(Number),
        function: { type, path, request_id: requestId },
        log_level: level,
        message,
        is_truncated: false,
        convex: ABOUT,
      },
    ]);
  },
);

test("P-X-5 what an action calls has events of its own", async () => {
  const { requestId } = await call("action", "notes:act");
  expect(await receiver.event(ended("notes:inner", requestId))).toMatchObject({
    function: { type: "mutation" },
    run_reason: "action",
  });
});

test("P-X-5 an HTTP action", async () => {
  expect(await (await fetch(`${backend.siteUrl}/hello`)).text()).toBe("hello");
  expect(await receiver.event(ended("GET /hello"))).toMatchObject({
    function: { type: "http_action" },
    status: "success",
    run_reason: "http_endpoint",
  });
  const line = receiver.events.find(({ topic, function: f }) => topic === "console" && f.path === "GET /hello");
  expect(line).toMatchObject({ message: "'greeting'" });
});

test("P-X-5 a scheduled job and what it calls name the job", async () => {
  const { value: job } = await call("mutation", "notes:schedule");
  expect(job).toEqual(expect.any(String));
  const later = await receiver.event(ended("notes:later"));
  expect(later).toMatchObject({ run_reason: "scheduler", scheduler_info: { job_id: job } });
  expect(await receiver.event(ended("notes:inner", later.function.request_id))).toMatchObject({
    scheduler_info: { job_id: job },
  });
});

test("P-X-6 an uncaught error of a Node action is one exception, with the request id that the client saw", async () => {
  const token = await issuer.token({ sub: "ada" });
  const failed = await call("action", "work:fails", {}, { authorization: `Bearer ${token}` });
  expect(failed.errorMessage).toContain(`[Request ID: ${failed.requestId}]`);
  // Neither a mistake of the client nor an error that the app dealt with.
  expect((await call("query", "notes:missing")).status).toBe("error");
  expect((await call("mutation", "notes:add", { text: 1 })).status).toBe("error");
  expect((await call("action", "notes:catches")).value).toBe("caught");
  // Comes behind all of them.
  const last = await call("mutation", "notes:fails");
  const tagged = (requestId: string) => receiver.exceptions.filter(({ tags }) => tags.request_id === requestId);
  await receiver.until(() => tagged(failed.requestId).length > 0 && tagged(last.requestId).length > 0);
  expect(receiver.exceptions).toHaveLength(2);
  expect(tagged(failed.requestId)).toEqual([
    expect.objectContaining({
      server_name: "happy-animal-123",
      environment: "preview",
      level: "error",
      tags: { func: "work:fails", func_type: "action", func_runtime: "node", request_id: failed.requestId },
      user: { id: `${issuer.url}|ada` },
    }),
  ]);
  const [{ exception }] = tagged(failed.requestId);
  expect(exception.values[0].value).toContain("Node had enough");
  expect(exception.values[0].stacktrace.frames).toEqual(
    expect.arrayContaining([expect.objectContaining({ filename: expect.stringContaining("convex/work.ts") })]),
  );
  const [other] = tagged(last.requestId);
  expect(other.tags).toMatchObject({ func: "notes:fails", func_type: "mutation", func_runtime: "default" });
  expect(other).not.toHaveProperty("user");
  expect(other.exception.values).toMatchObject([{ type: "TypeError", value: "no such thing" }]);
  expect([...receiver.sentryKeys]).toEqual(["key"]);

  const execution = await receiver.event(ended("work:fails", failed.requestId));
  expect(execution).toMatchObject({ status: "failure", error_message: expect.stringContaining("Node had enough") });
  expect(receiver.texts.filter((text) => text.includes(token))).toEqual([]);
});

test.each(["busy", "silent", "endless"] as const)(
  "P-X-5 P-X-6 STREAM3 functions don't notice a receiver that is %s; an endless answer is cut, the others are tried again",
  async (trouble) => {
    receiver.answers = trouble;
    const before = receiver.turnedAway;
    const { requestId, status } = await call("mutation", "notes:add", { text: trouble });
    expect(status).toBe("success");
    await receiver.until(() => receiver.turnedAway > before);
    expect((await call("query", "notes:list")).status).toBe("success");
    receiver.answers = "taken";
    if (trouble === "silent") receiver.hangUp();
    const { requestId: next } = await call("mutation", "notes:add", { text: "next" });
    await receiver.event(ended("notes:add", next));
    expect(receiver.events.filter(ended("notes:add", requestId))).toHaveLength(trouble === "endless" ? 0 : 1);
  },
);

test("P-X-5 STREAM1 every body is signed, and neither its secret nor its receiver is in the log", () => {
  expect(receiver.texts.length).toBeGreaterThan(3);
  expect(receiver.unsigned).toBe(0);
  expect(backend.logs).toContain("logStream.waits");
  expect(backend.logs).not.toContain(SECRET);
  expect(backend.logs).not.toContain(receiver.url);
});
