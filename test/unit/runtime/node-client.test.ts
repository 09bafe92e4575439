import { describe, expect, test } from "vitest";
import type { ExecuteEvent } from "../../../src/protocol/node-actions.ts";
import { BrokenStreamError, executeEvents } from "../../../src/runtime/node/event-stream.ts";
import { ExecutionTokens } from "../../../src/runtime/node/execution-token.ts";
import { moduleKeysInStack } from "../../../src/runtime/node/node-stack.ts";
import { SealedText } from "../../../src/runtime/sealed-text.ts";
import { MasterSecret } from "../../../src/runtime/secret.ts";
import { derivedSigningKeys } from "../../../src/signing/derived-keys.ts";
import { parseSigningKeys } from "../../../src/signing/keys.ts";

describe("the stream of an execution", () => {
  async function read(...chunks: readonly string[]): Promise<ExecuteEvent[]> {
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
        controller.close();
      },
    });
    const events: ExecuteEvent[] = [];
    for await (const event of executeEvents(body)) events.push(event);
    return events;
  }
  const result = `{"kind":"result","result":{"ok":true,"value":"\\"é\\""}}\n`;

  test("NODE7 lines arrive whole however the bytes were cut, and nothing after the result is read", async () => {
    const text = `{"kind":"started"}\n{"kind":"heartbeat"}\n${result}`;
    const expected = await read(text);
    expect(expected.map(({ kind }) => kind)).toEqual(["started", "heartbeat", "result"]);
    for (let at = 1; at < text.length; at++) {
      // oxlint-disable-next-line no-await-in-loop -- a few
      expect(await read(text.slice(0, at), text.slice(at))).toEqual(expected);
    }
    expect(await read(`${text}not JSON\n`)).toEqual(expected);
  });

  test("NODE8 an end without a result and a line that is no event are a broken stream", async () => {
    for (const text of ["", `{"kind":"started"}\n`, result.slice(0, -1), "<html>\n", `{"kind":"other"}\n`]) {
      // oxlint-disable-next-line no-await-in-loop -- a few
      await expect(read(text)).rejects.toBeInstanceOf(BrokenStreamError);
    }
  });
});

describe("execution tokens", () => {
  const seal = (secret: string): SealedText => new SealedText(new MasterSecret(secret), "node-execution");
  const execution = {
    executionId: "e1",
    path: { component: "", module: "mail.js", function: "send" },
    identity: { kind: "none" },
    context: { requestId: "r", ip: null, userAgent: null, scheduledFunctionId: null, caller: "HttpApi" },
    depth: 2,
    deadline: 1000,
  } as const;
  const clock = { time: 0, now: () => clock.time };

  test("E-G-8 a token gives back what was sealed, until its deadline and under either secret of a rotation", async () => {
    const before = new ExecutionTokens([seal("old")], clock);
    const during = new ExecutionTokens([seal("new"), seal("old")], clock);
    const after = new ExecutionTokens([seal("new")], clock);
    const token = await before.seal(execution);
    clock.time = 999;
    expect(await during.open(token)).toMatchObject(execution);
    await expect(after.open(token)).rejects.toThrow("Invalid syscall.");
    clock.time = 1000;
    await expect(during.open(token)).rejects.toThrow("Invalid syscall.");
    clock.time = 0;
    const altered = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`;
    for (const bad of ["", "x", "abcde", altered, `${token}A`]) {
      // oxlint-disable-next-line no-await-in-loop -- a few
      await expect(during.open(bad)).rejects.toThrow("Invalid syscall.");
    }
  });
});

test("NODE9 frames are named by module keys, wherever the package was unpacked", () => {
  const modules = [
    { key: "app/dir/mail.js", path: "dir/mail.js" },
    { key: "app/mail.js", path: "mail.js" },
  ];
  const stack = [
    "Error: at mail.js:1:1 or so",
    "    at handler (dir/mail.js:3:9)",
    "    at async mail.js:4:2",
    "    at file:///cache/abc/modules/dir/mail.js?env=1:5:6",
    "    at node:internal/process:1:2",
  ].join("\n");
  expect(moduleKeysInStack(stack, modules).split("\n").slice(1)).toEqual([
    "    at handler (app/dir/mail.js:3:9)",
    "    at async app/mail.js:4:2",
    "    at app/dir/mail.js:5:6",
    "    at node:internal/process:1:2",
  ]);
});

test("NODE10 signing keys tell nothing of the secret, differ by secret, and a rotation that begins is one key", async () => {
  const secrets = ["a", "b"].map((digit) => digit.repeat(64));
  const text = await derivedSigningKeys(secrets);
  for (const secret of secrets) expect(text).not.toContain(secret);
  const { signing, accepted } = await parseSigningKeys(text);
  expect(accepted.size).toBe(2);
  expect((await parseSigningKeys(await derivedSigningKeys([secrets[0] ?? "", secrets[0] ?? ""]))).signing.keyid).toBe(
    signing.keyid,
  );
});
