import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/**
 * An identity provider on this machine: OpenID Connect at `/`, and at `/tenant/` under a name that ends in a slash; a
 * bare key set for custom JWTs at `/keys`.
 */
export class Issuer implements AsyncDisposable {
  /** Answers 503 to everything. */
  down = false;
  /** `silent`: never answers. `stalling`: never answers to the end. `garbage`: answers what is no JSON. */
  trouble: "silent" | "stalling" | "garbage" | null = null;
  readonly #server: Server;
  readonly #keys: Awaited<ReturnType<typeof generateKeyPair>>;
  readonly #customKeys: Awaited<ReturnType<typeof generateKeyPair>>;

  private constructor(
    server: Server,
    keys: Awaited<ReturnType<typeof generateKeyPair>>,
    customKeys: Awaited<ReturnType<typeof generateKeyPair>>,
  ) {
    this.#server = server;
    this.#keys = keys;
    this.#customKeys = customKeys;
  }

  static async start(): Promise<Issuer> {
    const keys = await generateKeyPair("RS256", { extractable: true });
    const customKeys = await generateKeyPair("ES256", { extractable: true });
    const server = createServer();
    const issuer = new Issuer(server, keys, customKeys);
    const documents: Record<string, () => Promise<object> | object> = {
      "/.well-known/openid-configuration": () => ({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` }),
      "/tenant/.well-known/openid-configuration": () => ({
        issuer: `${issuer.url}/tenant/`,
        jwks_uri: `${issuer.url}/jwks`,
      }),
      "/jwks": async () => ({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: "k1", alg: "RS256" }] }),
      "/keys": () => issuer.customKeySet(),
    };
    server.on("request", (request, response) => {
      if (issuer.down) {
        response.writeHead(503).end();
        return;
      }
      if (issuer.trouble !== null) {
        if (issuer.trouble === "silent") return;
        response.writeHead(200, { "content-type": "application/json" });
        if (issuer.trouble === "stalling") response.write(`{ "keys": [`);
        else response.end("<html>Out of order</html>");
        return;
      }
      const document = documents[request.url ?? ""];
      if (document === undefined) {
        response.writeHead(404).end();
        return;
      }
      void Promise.resolve(document()).then((json) =>
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(json)),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return issuer;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async customKeySet(): Promise<object> {
    return { keys: [{ ...(await exportJWK(this.#customKeys.publicKey)), kid: "c1", alg: "ES256" }] };
  }

  /** For the application `"app"`, good for an hour unless the claims say otherwise. */
  token(claims: JWTPayload = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ iss: this.url, aud: "app", sub: "user", iat: now, exp: now + 3600, ...claims })
      .setProtectedHeader({ alg: "RS256", kid: "k1", typ: "JWT" })
      .sign(this.#keys.privateKey);
  }

  /** Of the custom issuer `https://custom.test`. Null: a header without a key id. */
  customToken(claims: JWTPayload = {}, kid: string | null = "c1"): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ iss: "https://custom.test", sub: "user", iat: now, exp: now + 3600, ...claims })
      .setProtectedHeader({ alg: "ES256", typ: "JWT", ...(kid === null ? {} : { kid }) })
      .sign(this.#customKeys.privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
