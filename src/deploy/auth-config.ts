import { badRequest } from "../shared/coded-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";

/** Checks and completes the providers of an `auth.config` (`abi.md` §4.5). Extra keys are dropped. */
export function parseAuthProviders(exported: JsonValue): readonly JsonObject[] {
  const providers = isJsonObject(exported) ? exported["providers"] : exported;
  if (!Array.isArray(providers)) throw notAList("`providers` must be an array");
  return (providers as readonly JsonValue[]).map((provider, index) => {
    if (!isJsonObject(provider)) throw notAList(`Provider at index ${index} must be an object`);
    return provider["type"] === "customJwt" ? customJwt(provider, index) : oidc(provider, index);
  });
}

function oidc(provider: JsonObject, index: number): JsonObject {
  const { type, domain, applicationID } = provider;
  if (type !== undefined && type !== "oidc") {
    throw notAList(
      `Provider at index ${index} has unexpected 'type' value '${typeof type === "string" ? type : JSON.stringify(type)}'`,
    );
  }
  if (provider["issuer"] !== undefined) {
    throw notAList(`Provider at index ${index} is oidc so cannot have an 'issuer' specified.`);
  }
  if (typeof applicationID !== "string") {
    throw notAList(
      `Provider at index ${index} must have applicationID property spelled lowercase 'application', capital I, capital D.`,
    );
  }
  if (typeof domain !== "string") throw notAList(`Provider at index ${index} must have a domain`);
  return { applicationID, domain: providerUrl(domain) };
}

/** WorkOS itself. Its issuers with a path name the one application that they issue for. */
const SHARED_ISSUER = /^https:\/\/api\.workos\.com\/*$/i;

function customJwt(provider: JsonObject, index: number): JsonObject {
  const { issuer, jwks, algorithm, applicationID } = provider;
  if (provider["domain"] !== undefined) {
    throw notAList(`Provider at index ${index} is a customJwt so cannot have a 'domain' specified`);
  }
  if (typeof issuer !== "string" || typeof jwks !== "string") {
    throw notAList(`Provider at index ${index} must have an issuer and a jwks URL`);
  }
  if (algorithm !== "RS256" && algorithm !== "ES256") {
    throw notAList(`Provider at index ${index} must have the algorithm RS256 or ES256`);
  }
  if (applicationID !== undefined && applicationID !== null && typeof applicationID !== "string") {
    throw notAList(`Provider at index ${index} has an applicationID that is not a string`);
  }
  if (SHARED_ISSUER.test(providerUrl(issuer)) && typeof applicationID !== "string") {
    throw badRequest(
      "InvalidAuthConfig",
      `This auth configuration appears potentially insecure: Provider at index ${index} has an issuer that is shared among many applications, so must to specify an ApplicationID to check against an \`aud\` field of a JWT.`,
    );
  }
  return {
    type: "customJwt",
    applicationID: applicationID ?? null,
    issuer: providerUrl(issuer),
    jwks: jwks.startsWith("data:") ? jwks : withScheme(jwks),
    algorithm,
  };
}

/** Its text stays as given but for a missing scheme: tokens are compared with it. */
function providerUrl(text: string): string {
  const url = withScheme(text);
  const reason = providerUrlMistake(url);
  if (reason !== null) throw invalidUrl(text, reason);
  return url;
}

function withScheme(text: string): string {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(url)) throw invalidUrl(text, "not a URL");
  return url;
}

function invalidUrl(text: string, reason: string) {
  return badRequest("InvalidProviderDomainUrl", `Invalid provider domain URL "${text}": ${reason}`);
}

function providerUrlMistake(url: string): string | null {
  const { protocol, hostname } = new URL(url);
  if (protocol !== "https:" && protocol !== "http:") return "neither https nor http";
  const known = hostname === "localhost" || hostname.startsWith("[") || /[^.]\.[^.]/.test(hostname);
  return known ? null : "neither a domain with a dot nor localhost";
}

function notAList(detail: string) {
  return badRequest("InvalidAuthConfig", `auth config file must include a list of provider credentials: ${detail}`);
}
