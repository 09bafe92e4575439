import {
  type ExecuteRequest,
  type NodeAnalyzeRequest,
  type NodePackage,
  nodeServiceError,
  type PrepareRequest,
} from "../../protocol/node-actions.ts";
import type { NodeCode } from "../../protocol/app.ts";
import { derivedSigningKeys } from "../../signing/derived-keys.ts";
import { parseSigningKeys, type SigningKeys } from "../../signing/keys.ts";
import { signRequest } from "../../signing/sign.ts";
import type { Clock } from "../../shared/clock.ts";
import { CodedError } from "../../shared/coded-error.ts";
import type { Log } from "../../shared/log.ts";
import type { Random } from "../../shared/random.ts";

export interface NodeServiceOptions {
  /** `NODE_ACTIONS_URL`: origin of the service; null when there is none. */
  readonly url: string | null;
  /** Origin of this Worker as the service reaches it. */
  readonly callbackUrl: string;
  /** Of the deployment, the present one first. */
  readonly secrets: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface ServiceAnswer {
  readonly response: Response;
  /** What the service answered with a status other than 2xx. Nothing was started. */
  readonly refusal: { readonly status: number; readonly code: string; readonly message: string } | null;
}

/** The Node service as the Worker sees it: signed requests, and refusals in words. */
export class NodeService {
  readonly #options: NodeServiceOptions;
  #keys: SigningKeys | null = null;

  constructor(options: NodeServiceOptions) {
    this.#options = options;
  }

  get configured(): boolean {
    return this.#options.url !== null;
  }

  get callbackUrl(): string {
    return this.#options.callbackUrl;
  }

  /** Both ends derive them from the deployment's secrets. */
  async keys(): Promise<SigningKeys> {
    this.#keys ??= await parseSigningKeys(await derivedSigningKeys(this.#options.secrets));
    return this.#keys;
  }

  package(code: NodeCode, nodeVersion: string | null): NodePackage {
    const { hash, bytes, externals } = code;
    const url = `${this.#options.callbackUrl}/api/node/packages/${hash}`;
    return { hash, bytes, url, externals: [...externals], nodeVersion };
  }

  /** Sends `body` once. Throws `CodedError` when there is no service or the connection failed. */
  async post(
    path: "/execute" | "/analyze" | "/prepare",
    body: ExecuteRequest | NodeAnalyzeRequest | PrepareRequest,
    signal: AbortSignal,
  ): Promise<ServiceAnswer> {
    const { url: origin, clock, random, log } = this.#options;
    if (origin === null) throw notConfigured();
    const url = `${origin}${path}`;
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    const { signing } = await this.keys();
    const signed = await signRequest(
      { direction: "to-service", method: "POST", url, body: bytes },
      signing,
      clock,
      random,
    );
    let response: Response;
    try {
      const headers = { "Content-Type": "application/json", ...signed };
      response = await fetch(url, { method: "POST", headers, body: bytes, redirect: "manual", signal });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      log.warn("node_service.unreachable", { path, error: String(error) });
      throw unreachable(error);
    }
    if (response.ok) return { response, refusal: null };
    const refusal = { status: response.status, ...(await refusalOf(response)) };
    log.warn("node_service.refused", { path, ...refusal });
    return { response, refusal };
  }
}

/** Refusals that have nothing to do with the code that was to run: the same for every request. */
export function serviceFailure({ status, code, message }: NonNullable<ServiceAnswer["refusal"]>): CodedError | null {
  switch (status) {
    case 401:
      return new CodedError(
        "FeatureTemporarilyUnavailable",
        "NodeActionsRefused",
        "The Node service refuses this deployment's signature. Its keys must be those of `convection keys --node-actions`, " +
          "and its clock must be right.",
      );
    case 429:
      return new CodedError("RateLimited", "NodeActionsOverloaded", message);
    case 502:
    case 503:
    case 504:
      return new CodedError("Overloaded", code === "" ? "NodeActionsUnavailable" : code, message);
    default:
      return null;
  }
}

async function refusalOf(response: Response): Promise<{ readonly code: string; readonly message: string }> {
  const text = await response.text();
  const fallback = `The Node service answered with status ${response.status}.`;
  try {
    const parsed = nodeServiceError.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : { code: "", message: fallback };
  } catch (error) {
    // A proxy in between has no JSON to say.
    if (error instanceof SyntaxError) return { code: "", message: fallback };
    throw error;
  }
}

function notConfigured(): CodedError {
  return new CodedError(
    "FeatureTemporarilyUnavailable",
    "DeploymentNotConfiguredForNodeActions",
    'Deployment is not configured to run "use node" actions. It has no Node service: start one and set ' +
      "NODE_ACTIONS_URL to its origin (docs/node-actions.md).",
  );
}

/** Whether the request arrived is not known: an action that it was for is not sent again. */
function unreachable(cause: unknown): CodedError {
  return new CodedError(
    "Overloaded",
    "NodeActionsUnavailable",
    "The Node service could not be reached. Check that it runs and that NODE_ACTIONS_URL is its origin.",
    { cause },
  );
}
