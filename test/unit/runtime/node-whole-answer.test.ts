import { expect, test } from "vitest";
import { BrokenStreamError, wholeEvents } from "../../../src/runtime/node/event-stream.ts";

const RESULT = `{"kind":"result","result":{"ok":true,"value":"1"}}\n`;
const LOG = `{"kind":"log","lines":[{"level":"LOG","messages":["'é'"],"isTruncated":false,"timestamp":1}]}\n`;

test("NODE17 the events of an answer that came whole are those of a stream, but for the start", async () => {
  const events = await wholeEvents(new Response(`{"kind":"started"}\n${LOG}${RESULT}`));
  expect(events).toEqual([JSON.parse(LOG), JSON.parse(RESULT)]);
});

test("NODE17 an answer without a result, cut off or not understood means that the action may have run", async () => {
  const cut = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(RESULT));
      controller.error(new Error("connection lost"));
    },
  });
  for (const body of ["", `{"kind":"started"}\n`, LOG, RESULT.slice(0, 20), `${RESULT}${LOG}`, "<html>", cut]) {
    // oxlint-disable-next-line no-await-in-loop -- a few
    await expect(wholeEvents(new Response(body))).rejects.toBeInstanceOf(BrokenStreamError);
  }
});
