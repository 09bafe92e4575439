import { z } from "zod";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonObject } from "../shared/json.ts";

/** Who may vouch for users, as an app's `auth.config` says (`wire.md` §5.1). */
export type AuthProvider = OidcProvider | CustomJwtProvider;

export interface OidcProvider {
  readonly type: "oidc";
  readonly domain: string;
  readonly applicationID: string;
}

export interface CustomJwtProvider {
  readonly type: "customJwt";
  readonly issuer: string;
  /** A URL, `data:` ones included. */
  readonly jwks: string;
  readonly algorithm: "RS256" | "ES256";
  readonly applicationID: string | null;
}

const provider = z.union([
  z.object({
    type: z.literal("customJwt"),
    issuer: z.string(),
    jwks: z.string(),
    algorithm: z.enum(["RS256", "ES256"]),
    applicationID: z
      .string()
      .nullish()
      .transform((id) => id ?? null),
  }),
  z
    .object({ type: z.literal("oidc").optional(), domain: z.string(), applicationID: z.string() })
    .transform(({ domain, applicationID }) => ({ type: "oidc" as const, domain, applicationID })),
]);

/** Providers of a pushed version. They were checked when they were pushed. */
export function storedProviders(stored: readonly unknown[]): readonly AuthProvider[] {
  return z.array(provider).parse(stored);
}

/** The first one that issued the token for its application, going by claims that nobody has verified. */
export function providerOf(
  { issuer: stated, claims }: { readonly issuer: string; readonly claims: JsonObject },
  providers: readonly AuthProvider[],
  verbose: boolean,
): AuthProvider {
  const issuer = normalIssuer(stated);
  const audiences = audiencesOf(claims);
  const found = providers.find(
    (candidate) =>
      normalIssuer(issuerOf(candidate)) === normalIssuer(issuer) &&
      (candidate.applicationID === null || audiences.includes(candidate.applicationID)),
  );
  if (found !== undefined) return found;
  throw new CodedError("Unauthenticated", "NoAuthProvider", noProvider(providers, verbose));
}

export function issuerOf(candidate: AuthProvider): string {
  return candidate.type === "oidc" ? candidate.domain : candidate.issuer;
}

/** `aud` is a string or an array of strings. */
export function audiencesOf(claims: JsonObject): readonly string[] {
  const { aud } = claims;
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return list.filter((entry) => typeof entry === "string");
}

/** Issuers are the same with or without `https://` and slashes at the end. */
export function normalIssuer(issuer: string): string {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(issuer) ? issuer : `https://${issuer}`;
  return url.replace(/\/+$/, "");
}

function noProvider(providers: readonly AuthProvider[], verbose: boolean): string {
  const text = "No auth provider found matching the given token";
  if (providers.length === 0) return `${text} (no providers configured). Check convex/auth.config.ts.`;
  if (!verbose) return `${text}. Check convex/auth.config.ts.`;
  const listed = providers.map((one) =>
    one.type === "oidc"
      ? `OIDC(domain=${one.domain}, app_id=${one.applicationID})`
      : `CustomJWT(issuer=${one.issuer}, app_id=${one.applicationID ?? "none"})`,
  );
  return (
    `${text}. Check that your JWT's issuer and audience match one of your configured providers: ` +
    `[${listed.join(", ")}]`
  );
}
