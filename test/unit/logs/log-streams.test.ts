import { createHmac } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { StreamEvents } from "../../../src/logs/streams/events.ts";
import { isUncaught, sentryEnvelope } from "../../../src/logs/streams/exceptions.ts";
import { type Fetch, sentry, webhook } from "../../../src/logs/streams/receiver.ts";
import type { FunctionCompletion } from "../../../src/protocol/function-log.ts";
import { parseLogStreams } from "../../../src/protocol/log-streams.ts";
import { parseSettings } from "../../../src/protocol/parse-settings.ts";

const ABOUT = { name: "happy-animal-123", type: "prod", project: "My  Notes" } as const;
const CONVEX = {
  deployment_name: "happy-animal-123",
  deployment_type: "prod",
  project_name: "My  Notes",
  project_slug: "my-notes",
};

function completion(rest: Partial<FunctionCompletion> = {}): FunctionCompletion {
  return {
    udfType: "Mutation",
    componentPath: null,
    identifier: "notes:add",
    requestId: "00000000000000aa",
    executionId: "0",
    parentExecutionId: null,
    logLines: [],
    startedAt: 1000.5,
    duration: 20,
    error: null,
    caller: "SyncWorker",
    identityType: "unknown",
    environment: "isolate",
    ...rest,
  };
}

const line = { level: "LOG", messages: ["'a'", "1"], isTruncated: false, timestamp: 1005.7 } as const;

describe("P-X-5 STREAM5 events", () => {
  const events = new StreamEvents(ABOUT);

  test("a run that lost a conflict has occ_info; its lines come first, with the code of a warning", () => {
    const occInfo = {
      tableName: "notes",
      documentId: "n1",
      writeSource: "notes:clear",
      componentPath: null,
      retryCount: 2,
    };
    const record = completion({
      componentPath: "box",
      logLines: [{ ...line, code: "warning:TooManyReads" }],
      error: "It is run again.",
      willRetry: true,
      occInfo,
      jobId: "j1",
      retries: 2,
      usage: { databaseReadBytes: 5, databaseWriteBytes: 7, databaseReadDocuments: 1, storageReadBytes: 3 },
    });
    const f = { type: "mutation", path: "notes:add", request_id: "00000000000000aa", component_path: "box" };
    expect(events.ofRecord({ kind: "Completion", completion: record })).toEqual([
      {
        topic: "console",
        timestamp: 1005,
        function: f,
        log_level: "LOG",
        message: "'a' 1",
        is_truncated: false,
        system_code: "warning:TooManyReads",
        convex: CONVEX,
      },
      {
        topic: "function_execution",
        timestamp: 1020,
        function: f,
        execution_time_ms: 20,
        status: "failure",
        error_message: "It is run again.",
        mutation_retry_count: 2,
        run_reason: "sync_worker",
        occ_info: { table_name: "notes", document_id: "n1", write_source: "notes:clear", retry_count: 2 },
        scheduler_info: { job_id: "j1" },
        usage: {
          database_read_bytes: 5,
          database_write_bytes: 7,
          database_read_documents: 1,
          file_storage_read_bytes: 3,
        },
        convex: CONVEX,
      },
    ]);
  });

  test("lines of an action are told while it runs, and not again at its end", () => {
    const action = completion({ udfType: "Action", logLines: [line] });
    const told = events.ofRecord({ kind: "Progress", progress: action });
    expect(told).toMatchObject([{ topic: "console", message: "'a' 1" }]);
    const topics = events.ofRecord({ kind: "Completion", completion: action }).map(({ topic }) => topic);
    expect(topics).toEqual(["function_execution"]);
  });

  test("a change of an admin has its metadata as text", () => {
    expect(events.ofAudit({ at: 12.5, action: "push_config", metadata: { a: [1] } })).toEqual({
      topic: "audit_log",
      timestamp: 12,
      audit_log_action: "push_config",
      audit_log_metadata: '{"a":[1]}',
      convex: CONVEX,
    });
  });
});

describe("P-X-6 STREAM6 exceptions", () => {
  const thrown =
    "Uncaught RangeError: one: two\nthree\n    at inner (../convex/lib/a.ts:3:5)\n    at ../convex/b.ts:7:1\n";

  test("are the errors that nothing caught", () => {
    const is = (rest: Partial<FunctionCompletion>) => isUncaught(completion({ error: thrown, ...rest }));
    expect(is({})).toBe(true);
    expect(is({ error: "Function execution timed out (maximum duration: 1s)" })).toBe(true);
    for (const not of [
      { error: null },
      { willRetry: true },
      { refused: true },
      { parentExecutionId: "caller" },
      { error: "Could not find public function for 'a:b'" },
      { error: "ArgumentValidationError: Object is missing the required field `text`." },
    ] as const) {
      expect(is(not), JSON.stringify(not)).toBe(false);
    }
  });

  test("are envelopes: type, whole message, frames from the outermost in, the user by tokenIdentifier", () => {
    const random = { bytes: (length: number) => new Uint8Array(length).fill(0xab) };
    const failed = { ...completion({ environment: "node", user: "https://issuer|ada" }), error: thrown };
    const [head = "", item = "", event = "", end] = sentryEnvelope(failed, ABOUT, random).split("\n");
    expect([JSON.parse(head), JSON.parse(item), end]).toEqual([{ event_id: "ab".repeat(16) }, { type: "event" }, ""]);
    expect(JSON.parse(event)).toMatchObject({
      event_id: "ab".repeat(16),
      timestamp: 1.0205,
      tags: { func: "notes:add", func_type: "mutation", func_runtime: "node", request_id: "00000000000000aa" },
      user: { id: "https://issuer|ada" },
      exception: {
        values: [
          {
            type: "RangeError",
            value: "one: two\nthree",
            stacktrace: {
              frames: [
                { filename: "../convex/b.ts", lineno: 7, colno: 1 },
                { filename: "../convex/lib/a.ts", function: "inner", lineno: 3, colno: 5 },
              ],
            },
          },
        ],
      },
    });
  });

  test("without a name or frames are errors with the whole text", () => {
    const random = { bytes: (length: number) => new Uint8Array(length) };
    const [, , event = ""] = sentryEnvelope({ ...completion(), error: "Uncaught 12\n" }, ABOUT, random).split("\n");
    expect(JSON.parse(event).exception.values).toMatchObject([{ type: "Error", value: "12" }]);
  });
});

describe("P-X-5 STREAM1 a body", () => {
  const SETTINGS = { url: "https://logs.test/in?key=hidden", secret: "s3cret", format: "json" } as const;
  const ok: Fetch = () => Promise.resolve(new Response());

  test.each([
    ["json", '[{"a":"é"},{"b":1}]', "application/json"],
    ["jsonl", '{"a":"é"}\n{"b":1}\n', "application/x-ndjson"],
  ] as const)("in %s is signed over its exact bytes", async (format, text, type) => {
    const send = vi.fn(ok);
    expect(await webhook({ ...SETTINGS, format }, send)(['{"a":"é"}', '{"b":1}'])).toEqual({ kind: "taken" });
    const [url, init] = send.mock.calls[0] ?? [];
    expect(url).toBe(SETTINGS.url);
    const body = Buffer.from(init?.body as Uint8Array);
    expect(body.toString()).toBe(text);
    const headers = new Headers(init?.headers);
    expect(headers.get("x-webhook-signature")).toBe(
      `sha256=${createHmac("sha256", "s3cret").update(body).digest("hex")}`,
    );
    expect(headers.get("content-type")).toBe(type);
    expect(init).toMatchObject({ method: "POST", redirect: "manual" });
  });

  test.each([
    [200, null, { kind: "taken" }],
    [204, null, { kind: "taken" }],
    [302, null, { kind: "refused", reason: "status 302" }],
    [401, null, { kind: "refused", reason: "status 401" }],
    [408, null, { kind: "later", reason: "status 408", afterMs: null }],
    [429, "7", { kind: "later", reason: "status 429", afterMs: 7000 }],
    [503, "Fri, 27 Nov 2026 15:00:00 GMT", { kind: "later", reason: "status 503", afterMs: null }],
  ] as const)("P-X-5 STREAM3 that is answered with %s, retry-after %s", async (status, retryAfter, delivery) => {
    const headers: Record<string, string> = retryAfter === null ? {} : { "retry-after": retryAfter };
    const deliver = webhook(SETTINGS, () => Promise.resolve(new Response(null, { status, headers })));
    expect(await deliver(["1"])).toEqual(delivery);
  });

  test("P-X-5 STREAM3 whose answer doesn't come is sent again later; nothing tells where to", async () => {
    const hangs: Fetch = (_url, { signal }) =>
      new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    expect(await webhook(SETTINGS, hangs, 1)(["1"])).toEqual({ kind: "later", reason: "TimeoutError", afterMs: null });
    const fails: Fetch = (url) => Promise.reject(new TypeError(`can't reach ${url}`));
    expect(await webhook(SETTINGS, fails)(["1"])).toEqual({ kind: "later", reason: "TypeError", afterMs: null });
  });

  test("P-X-5 STREAM3 whose answer has no end is not waited for", async () => {
    let hungUp = false;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(1024)),
      cancel: () => void (hungUp = true),
    });
    expect(await webhook(SETTINGS, () => Promise.resolve(new Response(body)))(["1"])).toEqual({ kind: "taken" });
    expect(hungUp).toBe(true);
  });

  test("P-X-6 an exception goes to the project of the DSN", async () => {
    const { sentry: settings } = parseLogStreams({ CONVECTION_SENTRY_DSN: "https://key:old@sentry.test:9000/in/7" });
    if (settings === null) throw new Error("no DSN");
    const send = vi.fn(ok);
    await sentry(settings, send)(["envelope\n"]);
    const [url, init] = send.mock.calls[0] ?? [];
    expect(url).toBe("https://sentry.test:9000/in/api/7/envelope/");
    expect(new Headers(init?.headers).get("x-sentry-auth")).toMatch(/^Sentry sentry_version=7, .*sentry_key=key$/);
  });
});

describe("STREAM7 settings", () => {
  test("none are set, or they are empty: there are no streams", () => {
    const none = { webhook: null, sentry: null, about: { name: "convection", type: "prod", project: "convection" } };
    expect(parseLogStreams({})).toEqual(none);
    expect(parseLogStreams({ CONVECTION_LOG_STREAM_URL: "", CONVECTION_SENTRY_DSN: "" })).toEqual(none);
  });

  test("all are set", () => {
    const all = {
      CONVECTION_INSTANCE_NAME: "happy",
      CONVECTION_DEPLOYMENT_TYPE: "preview",
      CONVECTION_PROJECT_NAME: "Notes",
      CONVECTION_LOG_STREAM_URL: "https://logs.test",
      CONVECTION_LOG_STREAM_SECRET: "s",
      CONVECTION_LOG_STREAM_FORMAT: "jsonl",
      CONVECTION_SENTRY_DSN: "https://key@sentry.test/7",
    };
    expect(parseLogStreams(all)).toEqual({
      webhook: { url: "https://logs.test", secret: "s", format: "jsonl" },
      sentry: { endpoint: "https://sentry.test/api/7/envelope/", publicKey: "key" },
      about: { name: "happy", type: "preview", project: "Notes" },
    });
    expect(() => parseSettings(all)).not.toThrow();
  });

  test.each([
    [{ CONVECTION_LOG_STREAM_URL: "https://logs.test/hidden" }, /^CONVECTION_LOG_STREAM_SECRET must be set when/],
    [{ CONVECTION_LOG_STREAM_URL: "hidden" }, /^CONVECTION_LOG_STREAM_URL must be an http or https URL\.$/],
    [{ CONVECTION_LOG_STREAM_URL: "ftp://hidden" }, /^CONVECTION_LOG_STREAM_URL must be an http or https URL\.$/],
    [{ CONVECTION_LOG_STREAM_FORMAT: "hidden" }, /^CONVECTION_LOG_STREAM_FORMAT must be json or jsonl\.$/],
    [{ CONVECTION_DEPLOYMENT_TYPE: "hidden" }, /^CONVECTION_DEPLOYMENT_TYPE must be prod, dev or preview\.$/],
    [{ CONVECTION_SENTRY_DSN: "https://hidden@sentry.test/" }, /^CONVECTION_SENTRY_DSN must be a Sentry DSN/],
    [{ CONVECTION_SENTRY_DSN: "https://sentry.test/hidden/7" }, /^CONVECTION_SENTRY_DSN must be a Sentry DSN/],
  ])("%j is refused by name, without its value", (vars, message) => {
    expect(() => parseLogStreams(vars)).toThrow(message);
    expect(() => parseLogStreams(vars)).not.toThrow(/hidden/);
  });
});
