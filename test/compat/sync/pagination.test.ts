import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { adding, RawSocket } from "../../support/raw-socket.ts";

/** `wire.md` §8.6 in raw frames: pages of a reactive list keep their borders. */

interface Page {
  readonly page: readonly string[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor?: string | null;
  readonly pageStatus?: string | null;
}

let backend: TestBackend;
let http: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(() => backend.stop());

function fill(channel: string, bodies: readonly string[]): Promise<unknown> {
  return http.mutation("messages:sendMany", { channel, bodies });
}

function opts(cursor: string | null, more: object = {}): object {
  return { numItems: 3, cursor, id: 1, ...more };
}

function page(socket: RawSocket, queryId: number): Page {
  return socket.value(queryId) as Page;
}

/** Three pages, subscribed one after the other as the React hook does. */
async function threePages(socket: RawSocket, channel: string): Promise<void> {
  let cursor: string | null = null;
  for (let i = 0; i < 3; i++) {
    socket.add(i, "messages:page", { channel, paginationOpts: opts(cursor) });
    await socket.shows(i, (value) => value !== undefined);
    cursor = page(socket, i).continueCursor;
  }
}

test("WS-P1 WS-P2 a page grows in its place, the others stay, and a reconnect with journals keeps the borders", async () => {
  const channel = "p1";
  await fill(channel, ["a", "b", "c", "d", "e", "f", "g"]);
  const first = await RawSocket.open(backend.url);
  await threePages(first, channel);
  expect([0, 1, 2].map((id) => page(first, id).page)).toEqual([["a", "b", "c"], ["d", "e", "f"], ["g"]]);
  const journals = [0, 1, 2].map((id) => first.result(id)?.journal ?? null);
  const cursors = [null, page(first, 0).continueCursor, page(first, 1).continueCursor];
  await http.mutation("messages:replace", { channel, from: "b", to: "B" });
  await http.mutation("messages:clear", { channel, bodies: ["d", "e"] });
  await first.shows(1, (value) => (value as Page).page.length === 1);
  expect([0, 1, 2].map((id) => page(first, id).page)).toEqual([["a", "B", "c"], ["f"], ["g"]]);
  await first[Symbol.asyncDispose]();
  await using second = await RawSocket.open(backend.url, { sessionId: first.sessionId, connectionCount: 1 });
  second.modify(
    ...cursors.map((cursor, i) =>
      adding(i, "messages:page", { channel, paginationOpts: opts(cursor) }, { journal: journals[i] }),
    ),
  );
  await second.transition();
  expect([0, 1, 2].map((id) => page(second, id).page)).toEqual([["a", "B", "c"], ["f"], ["g"]]);
});

test("WS-P3 a page whose rows are all deleted stays empty between its neighbours", async () => {
  const channel = "p3";
  await fill(channel, ["a", "b", "c", "d", "e", "f", "g"]);
  await using socket = await RawSocket.open(backend.url);
  await threePages(socket, channel);
  await http.mutation("messages:clear", { channel, bodies: ["d", "e", "f"] });
  await socket.shows(1, (value) => (value as Page).page.length === 0);
  expect([0, 1, 2].map((id) => page(socket, id).page)).toEqual([["a", "b", "c"], [], ["g"]]);
});

test("WS-P4 a page between two cursors recommends to be split when it is far larger than asked for", async () => {
  const channel = "p4";
  await fill(
    channel,
    Array.from({ length: 12 }, (_, i) => String(i).padStart(2, "0")),
  );
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:page", { channel, paginationOpts: { numItems: 12, cursor: null, id: 1 } });
  await socket.shows(0, (value) => value !== undefined);
  const endCursor = page(socket, 0).continueCursor;
  socket.add(1, "messages:page", { channel, paginationOpts: { numItems: 3, cursor: null, endCursor, id: 2 } });
  await socket.shows(1, (value) => value !== undefined);
  const { splitCursor, page: rows } = page(socket, 1);
  expect(rows).toHaveLength(12);
  expect(typeof splitCursor).toBe("string");
  socket.modify(
    adding(2, "messages:page", {
      channel,
      paginationOpts: { numItems: 3, cursor: null, endCursor: splitCursor, id: 3 },
    }),
    adding(3, "messages:page", { channel, paginationOpts: { numItems: 3, cursor: splitCursor, endCursor, id: 3 } }),
  );
  await socket.shows(3, (value) => value !== undefined);
  expect([...page(socket, 2).page, ...page(socket, 3).page]).toEqual(rows);
});

test("WS-P5 a cursor of another query fails with InvalidCursor in the error's data", async () => {
  const channel = "p5";
  await fill(channel, ["a", "b", "c", "d"]);
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:page", { channel, paginationOpts: opts(null) });
  await socket.shows(0, (value) => value !== undefined);
  const cursor = page(socket, 0).continueCursor;
  socket.add(1, "messages:pageBackwards", { channel, paginationOpts: opts(cursor) });
  const { modifications } = await socket.transition(({ endVersion: { querySet } }) => querySet === 2);
  expect(modifications).toMatchObject([
    {
      type: "QueryFailed",
      errorMessage: expect.stringMatching(/InvalidCursor/),
      errorData: { isConvexSystemError: true, paginationError: "InvalidCursor" },
    },
  ]);
});

test("WS-P6 WS-P7 the same position has the same cursor, and the last page has one too", async () => {
  const channel = "p6";
  await fill(channel, ["a", "b", "c", "d"]);
  await using socket = await RawSocket.open(backend.url);
  socket.modify(
    adding(0, "messages:page", { channel, paginationOpts: opts(null) }),
    adding(1, "messages:page", { channel, paginationOpts: opts(null, { id: 2 }) }),
    adding(2, "messages:page", { channel, paginationOpts: { numItems: 10, cursor: null, id: 3 } }),
  );
  await socket.transition();
  expect(page(socket, 0).continueCursor).toBe(page(socket, 1).continueCursor);
  expect(page(socket, 2)).toMatchObject({ isDone: true, continueCursor: expect.any(String) });
});

test("WS-P8 two paginated queries in one function fail", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:twoPages", { channel: "p8", paginationOpts: opts(null) });
  const { modifications } = await socket.transition();
  expect(modifications).toMatchObject([{ type: "QueryFailed", errorMessage: expect.stringMatching(/paginated quer/) }]);
});
