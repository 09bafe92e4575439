import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthBackend } from "../../support/auth-backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { RawSocket } from "../../support/raw-socket.ts";
import { Updates } from "../../support/updates.ts";

/** Tokens that expire while their socket is open (`wire.md` §3.10): nothing tells it, until somebody wants something. */

/** Long enough to be signed in with on a busy machine. */
const LIFE_SECONDS = 4;

let world: AuthBackend;
let http: FunctionClient;

beforeAll(async () => {
  world = await AuthBackend.start();
  http = new FunctionClient(world.url);
});
afterAll(() => world?.[Symbol.asyncDispose]());

const EXPIRED = { type: "AuthError", error: "Convex token identity expired", authUpdateAttempted: false };

async function signedIn(socket: RawSocket, subject: string): Promise<() => Promise<void>> {
  const token = await world.expiring(subject, LIFE_SECONDS);
  socket.authenticate({ tokenType: "User", value: token.token });
  socket.add(0, "who:am");
  socket.add(1, "notes:list");
  await socket.transition(({ endVersion: { querySet } }) => querySet === 2);
  expect(socket.value(0)).toMatchObject({ subject });
  return () => token.expired();
}

describe("E-G-5 a token that expired during the session", () => {
  test("leaves an idle socket alone, until a mutation is called: AuthError, a close without a code, nothing written", async () => {
    await using socket = await RawSocket.open(world.url);
    const expired = await signedIn(socket, "mutation");
    await expired();
    socket.mutate(0, "notes:add", { text: "never" });
    expect(await socket.next()).toEqual({ ...EXPIRED, baseVersion: 1 });
    expect((await socket.closed).code).toBe(1005);
    expect(await http.query("notes:list")).not.toContainEqual(expect.stringContaining("never"));
  });

  test("refuses an action before it runs", async () => {
    await using socket = await RawSocket.open(world.url);
    const expired = await signedIn(socket, "action");
    await expired();
    socket.act(0, "who:everywhere");
    expect(await socket.next()).toEqual({ ...EXPIRED, baseVersion: 1 });
    expect((await socket.closed).code).toBe(1005);
  });

  test("refuses a query that is added", async () => {
    await using socket = await RawSocket.open(world.url);
    const expired = await signedIn(socket, "query");
    await expired();
    socket.add(2, "who:am");
    expect(await socket.next()).toEqual({ ...EXPIRED, baseVersion: 1 });
  });

  test("is told of with the first change that somebody else makes, instead of the change", async () => {
    await using socket = await RawSocket.open(world.url);
    const expired = await signedIn(socket, "watcher");
    await expired();
    const before = socket.transitions;
    await http.mutation("notes:add", { text: "news" });
    expect(await socket.next()).toEqual({ ...EXPIRED, baseVersion: 1 });
    expect(socket.transitions).toBe(before);
  });

  test("gives way to the one that follows on the same socket, also when that comes after it expired", async () => {
    await using socket = await RawSocket.open(world.url);
    const expired = await signedIn(socket, "renewed");
    await expired();
    socket.authenticate({ tokenType: "User", value: await world.issuer.token({ sub: "renewed" }) });
    socket.mutate(0, "notes:add", { text: "renewed" });
    expect(await socket.response(0)).toMatchObject({ success: true });
    await socket.shows(1, (notes) => (notes as string[]).includes("renewed by renewed"));
  });

  test("WS-U17 a custom token within the tolerance passes, and is then refused as expired", async () => {
    await using socket = await RawSocket.open(world.url);
    const now = Math.floor(Date.now() / 1000);
    socket.authenticate({ tokenType: "User", value: await world.issuer.customToken({ exp: now - 1 }) });
    socket.add(0, "who:am");
    expect(await socket.next()).toEqual({ ...EXPIRED, baseVersion: 0 });
    expect((await socket.closed).code).toBe(1005);
  });

  test("P-A-3 WS-U5 is renewed by the client, whose mutation runs once and whose subscription goes on", async () => {
    const short = await world.expiring("live", LIFE_SECONDS);
    const long = await world.issuer.token({ sub: "live" });
    const fetches: boolean[] = [];
    let given = short.token;
    const live = new ConvexClient(world.url, { unsavedChangesWarning: false, logger: false });
    const notes = new Updates<string[]>();
    try {
      live.setAuth(({ forceRefreshToken }) => {
        fetches.push(forceRefreshToken);
        return Promise.resolve(given);
      });
      const subject = new Updates<string | null>();
      live.onUpdate(anyApi.who!.am!, {}, (identity: { subject: string } | null) =>
        subject.add(identity?.subject ?? null),
      );
      live.onUpdate(anyApi.notes!.list!, {}, (list: string[]) => notes.add(list));
      expect(await subject.next()).toBe("live");
      await short.expired();
      given = long;
      const before = fetches.length;
      await live.mutation(anyApi.notes!.add!, { text: "after expiry" });
      await notes.until((list) => list.includes("after expiry by live"));
      expect(fetches.slice(before)).toContain(true);
      expect(await live.query(anyApi.who!.am!, {})).toMatchObject({ subject: "live" });
    } finally {
      await live.close();
    }
    const all = (await http.query("notes:list")) as string[];
    expect(all.filter((note) => note.startsWith("after expiry"))).toEqual(["after expiry by live"]);
  });
});
