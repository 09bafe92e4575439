import { expect, test } from "vitest";
import { parseAuthProviders } from "../../../src/deploy/auth-config.ts";

const jwt = { type: "customJwt", jwks: "https://api.workos.com/sso/jwks/client_1", algorithm: "RS256" };
const parse = (issuer: string, more: object = {}) => parseAuthProviders({ providers: [{ ...jwt, issuer, ...more }] });

test.each(["https://api.workos.com", "https://api.workos.com/", "api.workos.com"])(
  "P-A-2 P-A-6 %s issues for everybody and needs an application",
  (issuer) => {
    expect(() => parse(issuer)).toThrow("Provider at index 0 has an issuer that is shared among many applications");
    expect(parse(issuer, { applicationID: "client_1" })).toMatchObject([{ applicationID: "client_1" }]);
  },
);

test("P-A-6 an issuer of WorkOS that names its application needs no other", () => {
  const issuer = "https://api.workos.com/user_management/client_1";
  expect(parse(issuer)).toMatchObject([{ issuer, applicationID: null }]);
});
