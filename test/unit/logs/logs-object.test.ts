import { expect, test, vi } from "vitest";
import type { LogsObject } from "../../../src/logs/logs-object.ts";
import type { LogStreams } from "../../../src/logs/streams/log-streams.ts";

vi.mock("cloudflare:workers", () => ({ DurableObject: class {} }));

/** The object with these streams, without a platform around it. */
async function logs(streams: Pick<LogStreams, "append" | "audit"> | null): Promise<LogsObject<object>> {
  const { LogsObject: Base } = await import("../../../src/logs/logs-object.ts");
  class Logs extends Base<object> {
    protected override clock() {
      return { now: () => 1000 };
    }
    protected override streams() {
      return streams as LogStreams | null;
    }
  }
  return Reflect.construct(Logs, []);
}

const NOT_JSON = '{"v":1,"records":1,"completions":1}\nnot JSON';

test("STREAM7 P-X-5 without streams nobody parses records before they are read", async () => {
  const object = await logs(null);
  await object.append(NOT_JSON);
  await object.audit('{"v":1,"events":[]}');
  await expect(object.read('{"v":1,"cursor":0,"holdMs":0}')).rejects.toThrow("not JSON");
});

test("STREAM7 P-X-5 with streams they hear of every record and of every change", async () => {
  const heard: unknown[] = [];
  const object = await logs({
    append: (records) => void heard.push(...records),
    audit: (events) => void heard.push(...events),
  });
  const record = { kind: "Progress", progress: { identifier: "a:b", logLines: [] } };
  await object.append(`{"v":1,"records":1,"completions":0}\n${JSON.stringify({ v: 1, records: [record] })}`);
  await object.audit('{"v":1,"events":[{"at":1,"action":"push_config","metadata":{}}]}');
  expect(heard).toEqual([record, { at: 1, action: "push_config", metadata: {} }]);
});
