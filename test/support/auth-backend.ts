import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startBackend, type TestBackend } from "./backend.ts";
import { AppCopy, convex } from "./convex-cli.ts";
import { Issuer } from "./issuer.ts";
import { FIXTURES } from "./paths.ts";

/** A backend with the app that trusts the tokens of an issuer of this machine. */
export class AuthBackend implements AsyncDisposable {
  readonly issuer: Issuer;
  readonly backend: TestBackend;

  private constructor(issuer: Issuer, backend: TestBackend) {
    this.issuer = issuer;
    this.backend = backend;
  }

  /** `providers`: JavaScript of the app's list of providers instead of its own. */
  static async start(providers?: (issuer: Issuer) => Promise<string>): Promise<AuthBackend> {
    const issuer = await Issuer.start();
    using app = new AppCopy(join(FIXTURES, "auth-app"));
    if (providers !== undefined) {
      const config = `export default { providers: ${await providers(issuer)} };\n`;
      writeFileSync(join(app.path, "convex/auth.config.ts"), config);
    }
    const backend = await startBackend();
    await convex(app.path, backend, ["env", "set", "ISSUER", issuer.url]);
    const { code, stderr } = await convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
    if (code !== 0) throw new Error(stderr);
    return new AuthBackend(issuer, backend);
  }

  get url(): string {
    return this.backend.url;
  }

  /**
   * A token of somebody who signed in an hour ago, good for `seconds` from now: clients plan to renew it by its
   * whole life, and so do not come before it expires.
   */
  async expiring(subject: string, seconds: number): Promise<ExpiringToken> {
    const now = Math.floor(Date.now() / 1000);
    const exp = now + seconds;
    return new ExpiringToken(await this.issuer.token({ sub: subject, iat: now - 3600, exp }), exp * 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.stop();
    await this.issuer[Symbol.asyncDispose]();
  }
}

export class ExpiringToken {
  readonly token: string;
  readonly #expiresAt: number;

  constructor(token: string, expiresAt: number) {
    this.token = token;
    this.#expiresAt = expiresAt;
  }

  /** Resolves when it is good no more. */
  async expired(): Promise<void> {
    while (Date.now() < this.#expiresAt) {
      const left = this.#expiresAt - Date.now();
      // oxlint-disable-next-line no-await-in-loop -- the clock is what is waited for, and timers may be early
      await new Promise((resolve) => setTimeout(resolve, left));
    }
  }
}
