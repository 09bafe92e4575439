import { afterAll, beforeAll, expect, test } from "vitest";
import { AuthBackend } from "../../support/auth-backend.ts";
import { RawSocket } from "../../support/raw-socket.ts";

/** Which tokens of which providers open a session, in raw frames (`wire.md` §8.5). */

let world: AuthBackend;

beforeAll(async () => {
  world = await AuthBackend.start(async (issuer) => {
    const { url } = issuer;
    return JSON.stringify([
      { domain: url, applicationID: "app" },
      { domain: `${url}/tenant`, applicationID: "app" },
      { type: "customJwt", issuer: "https://custom.test", jwks: `${url}/keys`, algorithm: "ES256" },
      {
        type: "customJwt",
        issuer: "https://data.test",
        jwks: dataUri(await issuer.customKeySet()),
        algorithm: "ES256",
      },
    ]);
  });
});
afterAll(() => world?.[Symbol.asyncDispose]());

function dataUri(json: object): string {
  return `data:application/json;base64,${Buffer.from(JSON.stringify(json)).toString("base64")}`;
}

/** The identity that the app sees, or the frame that refuses the token. */
async function identityOf(token: string): Promise<unknown> {
  await using socket = await RawSocket.open(world.url);
  socket.authenticate({ tokenType: "User", value: token });
  socket.add(0, "who:am");
  const frame = await socket.next();
  if (frame.type !== "Transition") return frame;
  await socket.shows(0, (value) => value !== undefined && socket.version.identity === 1);
  return socket.value(0);
}

const refused = (error: string | RegExp): object => ({
  type: "AuthError",
  error: expect.stringMatching(error),
  authUpdateAttempted: true,
  baseVersion: 0,
});
const notVerified = refused(/^Could not verify OIDC token claim/);

test("WS-U12 a provider that answers 503 closes the socket retriably, without an AuthError; later it is let in", async () => {
  const token = await world.issuer.token({ sub: "patient" });
  world.issuer.down = true;
  await using socket = await RawSocket.open(world.url);
  socket.authenticate({ tokenType: "User", value: token });
  socket.add(0, "who:am");
  expect(await socket.next()).toMatchObject({ type: "closed", code: 1013 });
  world.issuer.down = false;
  expect(await identityOf(token)).toMatchObject({ subject: "patient" });
});

test("WS-U3 a signature that does not fit", async () => {
  const token = await world.issuer.token();
  expect(await identityOf(`${token.slice(0, -20)}AAAAAAAAAAAAAAAAAAAA`)).toEqual(notVerified);
});

test("WS-U13 a second audience is refused, and so is another", async () => {
  expect(await identityOf(await world.issuer.token({ aud: ["app", "other"] }))).toEqual(notVerified);
  expect(await identityOf(await world.issuer.token({ aud: "other" }))).toMatchObject({ type: "AuthError" });
  expect(await identityOf(await world.issuer.token({ aud: ["app"], sub: "one" }))).toMatchObject({ subject: "one" });
});

test("WS-U14 ES256 is for custom JWTs, not for OpenID Connect", async () => {
  const claims = { iss: world.issuer.url, aud: "app" };
  expect(await identityOf(await world.issuer.customToken(claims))).toEqual(notVerified);
  expect(await identityOf(await world.issuer.customToken({ sub: "custom" }))).toMatchObject({ subject: "custom" });
});

test("WS-U15 a provider configured without the slash that its tokens have", async () => {
  const iss = `${world.issuer.url}/tenant/`;
  expect(await identityOf(await world.issuer.token({ iss, sub: "t" }))).toEqual({
    tokenIdentifier: `${iss}|t`,
    issuer: iss,
    subject: "t",
  });
});

test("WS-U16 a custom JWT without a key id", async () => {
  expect(await identityOf(await world.issuer.customToken({}, null))).toEqual(refused(/kid/));
});

test("WS-U17 an OpenID Connect token that has expired is refused at once", async () => {
  const now = Math.floor(Date.now() / 1000);
  expect(await identityOf(await world.issuer.token({ exp: now - 3 }))).toEqual(notVerified);
});

test("WS-U18 claims of a custom JWT keep their names, nested ones are flattened", async () => {
  const claims = { sub: "n", properties: { id: "1" }, email: "e", email_verified: true };
  expect(await identityOf(await world.issuer.customToken(claims))).toEqual({
    tokenIdentifier: "https://custom.test|n",
    issuer: "https://custom.test",
    subject: "n",
    "properties.id": "1",
    email: "e",
    email_verified: true,
  });
});

test("WS-U19 claims of OpenID Connect have the names of `UserIdentity`, and those about the token are left out", async () => {
  const claims = {
    sub: "full",
    name: "Ada L.",
    given_name: "Ada",
    family_name: "L.",
    nickname: "al",
    preferred_username: "ada",
    profile: "https://p.test",
    picture: "https://i.test",
    website: "https://w.test",
    email: "a@x.test",
    email_verified: true,
    gender: "f",
    birthdate: "1815-12-10",
    zoneinfo: "Europe/London",
    locale: "en",
    phone_number: "1",
    phone_number_verified: false,
    address: { formatted: "here" },
    updated_at: 1_700_000_000,
    jti: "x",
    nbf: 1,
    fva: [1, 2],
    role: "admin",
  };
  const identity = await identityOf(await world.issuer.token(claims));
  expect(identity).toMatchObject({
    tokenIdentifier: `${world.issuer.url}|full`,
    name: "Ada L.",
    givenName: "Ada",
    familyName: "L.",
    nickname: "al",
    preferredUsername: "ada",
    profileUrl: "https://p.test",
    pictureUrl: "https://i.test",
    websiteUrl: "https://w.test",
    email: "a@x.test",
    emailVerified: true,
    gender: "f",
    birthday: "1815-12-10",
    timezone: "Europe/London",
    language: "en",
    phoneNumber: "1",
    phoneNumberVerified: false,
    address: "here",
    updatedAt: "2023-11-14T22:13:20+00:00",
    role: "admin",
  });
  for (const absent of ["jti", "nbf", "fva", "iat", "exp", "aud"]) expect(identity).not.toHaveProperty(absent);
});

test("WS-U20 a key set in a data URI", async () => {
  const token = await world.issuer.customToken({ iss: "https://data.test", sub: "inline" });
  expect(await identityOf(token)).toMatchObject({ tokenIdentifier: "https://data.test|inline" });
});
