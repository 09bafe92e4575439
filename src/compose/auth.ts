import { FetchedJson } from "../auth/fetched-json.ts";
import { JwtVerifier } from "../auth/jwt-verifier.ts";
import { type AuthProvider, storedProviders } from "../auth/providers.ts";
import type { TokenVerifier } from "../auth/token-verifier.ts";
import type { AppVersion } from "../protocol/app.ts";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import type { Core } from "./runtime.ts";
import { clock } from "./system.ts";

/**
 * Verifies the tokens of users by what the deployed app's auth config says. `self` answers requests that are for this
 * deployment, which may be its own provider: on Cloudflare a Worker can't fetch its own hostname.
 */
export function composeTokens(
  { settings }: Core,
  deployments: CurrentDeployment,
  self: (request: Request) => Response | Promise<Response> | null,
): TokenVerifier {
  const parsed = new WeakMap<AppVersion, readonly AuthProvider[]>();
  return new JwtVerifier({
    providers: async () => {
      const { app } = await deployments.current();
      if (app === null) return [];
      let providers = parsed.get(app.version);
      if (providers === undefined) parsed.set(app.version, (providers = storedProviders(app.version.authProviders)));
      return providers;
    },
    documents: new FetchedJson((url, init) => {
      // Without the signal, which can't go along to the isolate of an HTTP action.
      const own = self(new Request(url, { headers: init.headers }));
      return own === null ? fetch(url, init) : Promise.race([own, aborted(init.signal)]);
    }, clock),
    clock,
    verbose: !settings.redactErrors,
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(new Error("timed out", { cause: signal.reason })), { once: true });
  return promise;
}
