import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AdminKeys } from "../../../src/auth/admin-key.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { adding, RawSocket } from "../../support/raw-socket.ts";

/** `wire.md` §8.5 in raw frames, as far as admin keys go; user tokens are the subject of the auth tests. */

const SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

let backend: TestBackend;
let admin: object;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app"), env: { CONVECTION_SECRET: SECRET } });
  admin = { tokenType: "Admin", value: backend.adminKey };
});
afterAll(() => backend.stop());

const ADA = { issuer: "https://issuer.test", subject: "ada", name: "Ada" };

test("WS-U2 Authenticate and a query set reach one Transition", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate(admin);
  socket.add(0, "secret:get");
  const { endVersion, modifications } = await socket.transition(({ endVersion: { querySet } }) => querySet === 1);
  expect(endVersion).toMatchObject({ identity: 1, querySet: 1 });
  expect(modifications).toMatchObject([{ value: "the secret" }]);
});

test("WS-U3 a user token that nobody vouches for is an AuthError and a close without a code", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate({ tokenType: "User", value: "not a token" });
  expect(await socket.next()).toMatchObject({ type: "AuthError", authUpdateAttempted: true, baseVersion: 0 });
  expect((await socket.closed).code).toBe(1005);
});

test("WS-U6 None after an admin key re-runs what read the identity, and nothing else", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate({ ...admin, impersonating: ADA });
  socket.modify(adding(0, "whoami:get"), adding(1, "messages:logged", { channel: "u6" }));
  const first = await socket.transition(({ endVersion: { querySet } }) => querySet === 1);
  expect(first.modifications[0]?.value).toMatchObject({ subject: "ada" });
  socket.authenticate({ tokenType: "None" });
  const second = await socket.transition();
  expect(second.endVersion.identity).toBe(2);
  expect(second.modifications).toMatchObject([{ queryId: 0, value: null }]);
});

test("WS-U7 ten Authenticates in a burst are all accepted", async () => {
  await using socket = await RawSocket.open(backend.url);
  for (let i = 0; i < 10; i++) socket.authenticate(i % 2 === 0 ? admin : { tokenType: "None" });
  socket.add(0, "whoami:get");
  const { endVersion } = await socket.transition(({ endVersion: { identity } }) => identity === 10);
  expect(endVersion.identity).toBe(10);
});

test("WS-U8 a base version that does not fit closes the socket retriably", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.send({ type: "Authenticate", baseVersion: 3, tokenType: "None" });
  expect((await socket.closed).code).toBe(1013);
});

test.for(["impersonating", "acting_as"])("WS-U9 WS-U10 an admin acts as a user given in `%s`", async (field) => {
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate({ ...admin, [field]: ADA });
  socket.modify(adding(0, "whoami:get"), adding(1, "secret:get"));
  await socket.transition(({ endVersion: { querySet } }) => querySet === 1);
  expect(socket.value(0)).toEqual({ ...ADA, tokenIdentifier: "https://issuer.test|ada" });
  expect(socket.value(1)).toBe("the secret");
});

test("WS-U9 an identity to act as that is none ends the client", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate({ ...admin, impersonating: { name: "nobody" } });
  expect(await socket.next()).toMatchObject({ type: "FatalError" });
});

test("WS-U11 a wrong admin key is an AuthError and a close; what was asked behind it is not answered", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate({ tokenType: "Admin", value: "convection|00" });
  socket.add(0, "secret:get");
  expect(await socket.next()).toMatchObject({
    type: "AuthError",
    error: "The provided admin key was invalid for this instance",
    authUpdateAttempted: true,
    baseVersion: 0,
  });
  expect((await socket.closed).code).toBe(1005);
  expect(socket.transitions).toBe(0);
});

test("WS-U21 a component path is for admins", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", {}, { componentPath: "other" });
  expect((await socket.closed).code).toBe(1011);
});

test("WS-U22 a read-only key sees internal queries and is refused mutations and actions", async () => {
  const [instance = ""] = backend.adminKey.split("|");
  const readOnly = await (await AdminKeys.create(instance, [SECRET])).issue({ readOnly: true });
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate({ tokenType: "Admin", value: readOnly });
  socket.add(0, "secret:get");
  await socket.shows(0, (value) => value === "the secret");
  socket.mutate(0, "messages:nothing");
  socket.act(1, "act:echo", { value: 1 });
  const responses = [await socket.until("MutationResponse"), await socket.until("ActionResponse")];
  for (const response of responses) {
    expect(response).toMatchObject({ success: false, result: expect.stringMatching(/this admin key is read-only/) });
  }
});

test("P-I-1 system queries check their caller themselves, also on a socket", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.authenticate(admin);
  socket.modify(
    adding(0, "_system/cli/tables:default", { paginationOpts: { numItems: 100, cursor: null } }, { componentPath: "" }),
    adding(1, "_system/cli/queryEnvironmentVariables:default"),
    adding(2, "_system/cli/convexUrl:cloudUrl"),
  );
  await socket.transition(({ endVersion: { querySet } }) => querySet === 1);
  expect(socket.value(0)).toMatchObject({ page: expect.arrayContaining([{ name: "messages" }]) });
  expect(socket.value(1)).toEqual([]);
  expect(String(socket.value(2))).toMatch(/^http/);
  socket.authenticate({ tokenType: "None" });
  const { modifications } = await socket.transition(({ endVersion: { identity } }) => identity === 2);
  expect(modifications.map(({ type }) => type)).toEqual(["QueryFailed", "QueryFailed", "QueryFailed"]);
});
