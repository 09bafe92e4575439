import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

interface Grant {
  readonly claims: Record<string, unknown>;
  readonly asked: URLSearchParams;
}

/** OpenID Connect with the authorization code flow on this machine: whoever is sent here agrees at once. */
export class OAuthProvider implements AsyncDisposable {
  readonly clientId = "the-client";
  readonly clientSecret = "the-secret";
  readonly #server: Server;
  readonly #keys: Awaited<ReturnType<typeof generateKeyPair>>;
  readonly #grants = new Map<string, Grant>();

  private constructor(server: Server, keys: Awaited<ReturnType<typeof generateKeyPair>>) {
    this.#server = server;
    this.#keys = keys;
  }

  static async start(): Promise<OAuthProvider> {
    const server = createServer();
    const provider = new OAuthProvider(server, await generateKeyPair("RS256", { extractable: true }));
    server.on("request", (request, response) => {
      void provider.#answer(request).then(([status, body]) => {
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What the provider's page does: where it sends the browser that came to `url`, once the user agreed. */
  agree(url: string, claims: Record<string, unknown>): string {
    const asked = new URL(url).searchParams;
    if (asked.get("client_id") !== this.clientId) throw new Error(`an unknown client asks: ${url}`);
    const code = randomUUID();
    this.#grants.set(code, { claims, asked });
    const back = new URL(asked.get("redirect_uri") ?? "");
    back.searchParams.set("code", code);
    const state = asked.get("state");
    if (state !== null) back.searchParams.set("state", state);
    return back.href;
  }

  async #answer(request: IncomingMessage): Promise<[status: number, body: object]> {
    if (request.url === "/.well-known/openid-configuration") {
      return [
        200,
        {
          issuer: this.url,
          authorization_endpoint: `${this.url}/authorize`,
          token_endpoint: `${this.url}/token`,
          jwks_uri: `${this.url}/jwks`,
          response_types_supported: ["code"],
          code_challenge_methods_supported: ["S256"],
        },
      ];
    }
    if (request.url === "/jwks") {
      return [200, { keys: [{ ...(await exportJWK(this.#keys.publicKey)), kid: "k", alg: "RS256", use: "sig" }] }];
    }
    if (request.url !== "/token") return [404, {}];
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    return await this.#token(new URLSearchParams(Buffer.concat(parts).toString()), request.headers.authorization);
  }

  async #token(form: URLSearchParams, authorization?: string): Promise<[status: number, body: object]> {
    const basic = `Basic ${Buffer.from(`${this.clientId}:${this.clientSecret}`).toString("base64")}`;
    if (authorization !== basic && form.get("client_secret") !== this.clientSecret) {
      return [401, { error: "invalid_client" }];
    }
    const code = form.get("code") ?? "";
    const grant = this.#grants.get(code);
    this.#grants.delete(code);
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const expected = grant?.asked.get("code_challenge") ?? null;
    if (grant === undefined || (expected !== null && expected !== challenge)) return [400, { error: "invalid_grant" }];
    const nonce = grant.asked.get("nonce");
    const token = await new SignJWT({ ...grant.claims, ...(nonce === null ? {} : { nonce }) })
      .setProtectedHeader({ alg: "RS256", kid: "k" })
      .setIssuer(this.url)
      .setAudience(this.clientId)
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(this.#keys.privateKey);
    return [200, { access_token: randomUUID(), token_type: "Bearer", expires_in: 3600, id_token: token }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
