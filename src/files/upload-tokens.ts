import { errors, jwtVerify, type JWTPayload, SignJWT } from "jose";
import type { ComponentPath } from "../engine/names.ts";
import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";

const AUDIENCE = "convection file upload";
const ALGORITHM = "HS256";

export interface UploadTokenParts {
  /** The present key first; the others are still accepted. */
  readonly keys: Promise<readonly CryptoKey[]>;
  /** Name of the deployment: its tokens are no other's. */
  readonly instanceName: string;
  readonly clock: Clock;
  readonly lifeMs: number;
}

/** The right to store files in one component, for whoever has the token and as often as they like while it is valid. */
export class UploadTokens {
  readonly #parts: UploadTokenParts;

  constructor(parts: UploadTokenParts) {
    this.#parts = parts;
  }

  async issue(component: ComponentPath): Promise<string> {
    const { keys, instanceName, clock, lifeMs } = this.#parts;
    const [key] = await keys;
    if (key === undefined) throw new Error("There is no key to sign upload tokens with.");
    const now = clock.now();
    return new SignJWT({ component })
      .setProtectedHeader({ alg: ALGORITHM })
      .setIssuer(instanceName)
      .setAudience(AUDIENCE)
      .setIssuedAt(Math.floor(now / 1000))
      .setExpirationTime(Math.floor((now + lifeMs) / 1000))
      .sign(key);
  }

  /** The component whose files may be stored. */
  async verify(token: string): Promise<ComponentPath> {
    const { iss, component } = await this.#payload(token);
    if (iss !== this.#parts.instanceName || typeof component !== "string") throw invalidToken();
    return component;
  }

  async #payload(token: string): Promise<JWTPayload> {
    const { keys, clock } = this.#parts;
    let refusal: unknown;
    for (const key of await keys) {
      try {
        const options = { algorithms: [ALGORITHM], audience: AUDIENCE, currentDate: new Date(clock.now()) };
        return (await jwtVerify(token, key, options)).payload;
      } catch (error) {
        if (error instanceof errors.JWTExpired) throw expired(error);
        refusal = error;
      }
    }
    throw new CodedError("Unauthenticated", "StorageTokenInvalid", "Store File Authorization invalid", {
      cause: refusal,
    });
  }
}

/** Well formed, and not for this deployment. */
export function invalidToken(): CodedError {
  return new CodedError("Unauthenticated", "InvalidStorageToken", "Invalid storage token");
}

function expired(cause: unknown): CodedError {
  return new CodedError("Unauthenticated", "StorageTokenExpired", "Store File Authorization expired", { cause });
}
