import { FetchedJson } from "../auth/fetched-json.ts";
import { JwtVerifier } from "../auth/jwt-verifier.ts";
import { type AuthProvider, storedProviders } from "../auth/providers.ts";
import type { TokenVerifier } from "../auth/token-verifier.ts";
import type { AppVersion } from "../protocol/app.ts";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import type { Core } from "./runtime.ts";
import { clock } from "./system.ts";

/** Verifies the tokens of users by what the deployed app's auth config says. */
export function composeTokens({ settings }: Core, deployments: CurrentDeployment): TokenVerifier {
  const parsed = new WeakMap<AppVersion, readonly AuthProvider[]>();
  return new JwtVerifier({
    providers: async () => {
      const { app } = await deployments.current();
      if (app === null) return [];
      let providers = parsed.get(app.version);
      if (providers === undefined) parsed.set(app.version, (providers = storedProviders(app.version.authProviders)));
      return providers;
    },
    documents: new FetchedJson((url, init) => fetch(url, init), clock),
    clock,
    verbose: !settings.redactErrors,
  });
}
