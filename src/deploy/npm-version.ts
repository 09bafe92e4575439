import { badRequest } from "../shared/coded-error.ts";
import { compareSemver, parseSemver } from "../shared/semver.ts";
import { UNSUPPORTED_NPM_VERSION } from "../protocol/npm-version.ts";
import type { StartPushBody } from "./push-body.ts";

/** E-A-15. An unreadable version is older than everything. */
export function checkNpmVersions({ appDefinition, componentDefinitions }: StartPushBody): void {
  const newestRefused = parseSemver(UNSUPPORTED_NPM_VERSION);
  for (const { udfServerVersion } of [appDefinition, ...componentDefinitions]) {
    const version = parseSemver(udfServerVersion);
    if (version === null || newestRefused === null || compareSemver(version, newestRefused) <= 0) {
      throw badRequest(
        "UnsupportedNpmVersion",
        `Convex functions at or below version ${UNSUPPORTED_NPM_VERSION} are no longer supported. Update your Convex ` +
          "npm package and then push your functions again with `npx convex deploy` or `npx convex dev`.",
      );
    }
  }
}
