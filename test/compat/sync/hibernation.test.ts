import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { adding, RawSocket } from "../../support/raw-socket.ts";

let backend: TestBackend;
let http: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(() => backend.stop());

test("WS-S16 sockets of an object that lost its memory go on: versions, query sets, identity, journals", async () => {
  await http.mutation("messages:sendMany", { channel: "page", bodies: ["a", "b", "c", "d"] });
  await using socket = await RawSocket.open(backend.url);
  await using silent = await RawSocket.open(backend.url);
  silent.add(0, "messages:list", { channel: "never written" });
  await silent.transition();
  socket.authenticate({
    tokenType: "Admin",
    value: backend.adminKey,
    impersonating: { issuer: "https://issuer.test", subject: "ada", name: "Ada" },
  });
  socket.modify(
    adding(0, "messages:list", { channel: "asleep" }),
    adding(1, "whoami:get"),
    adding(2, "messages:page", { channel: "page", paginationOpts: { numItems: 2, cursor: null, id: 1 } }),
  );
  await socket.transition(({ endVersion: { querySet } }) => querySet === 1);
  socket.mutate(0, "messages:send", { channel: "asleep", body: "one" });
  await socket.response(0);
  await socket.shows(0, (value) => (value as string[]).length === 1);
  const bodies = ["one"];
  // Nothing tells a client that the object hibernates; the log of the backend says that it came back. The platform takes
  // an idle object's memory after ten seconds, the Ping comes after twenty, and a busy machine may mix that up.
  while (!/"sync.restored","clients":2,"queries":4/.test(backend.logs)) {
    await socket.ping();
    const before = socket.version;
    bodies.push(`${bodies.length}`);
    await http.mutation("messages:send", { channel: "asleep", body: bodies.at(-1) });
    const { startVersion, modifications } = await socket.transition(({ modifications: { length } }) => length > 0);
    expect(startVersion).toEqual(before);
    expect(modifications).toMatchObject([{ queryId: 0, value: bodies }]);
  }
  await http.mutation("messages:clear", { channel: "page", bodies: ["a"] });
  await socket.shows(2, (value) => (value as { page: string[] }).page.length === 1);
  socket.mutate(1, "whoami:sign", { channel: "asleep" });
  await socket.response(1);
  expect(await socket.shows(0, (value) => (value as string[]).includes("Ada"))).toEqual([...bodies, "Ada"]);
  expect(silent.transitions).toBe(1);
  // The value was not kept, only what it takes to see that it is the same: a new subscriber gets it all the same.
  await using fresh = await RawSocket.open(backend.url);
  fresh.add(0, "messages:list", { channel: "never written" });
  expect(await fresh.shows(0, (value) => value !== undefined)).toEqual([]);
});
