import { UNSUPPORTED_NPM_VERSION } from "../protocol/npm-version.ts";
import { badRequest } from "../shared/coded-error.ts";
import { compareSemver, parseSemver, type Semver } from "../shared/semver.ts";

export interface ClientVersion {
  /** `npm`, `npm-cli`, `python`, … */
  readonly client: string;
  /** As sent. */
  readonly version: string;
  /** Null when the version is not a semantic version. */
  readonly parsed: Semver | null;
}

/** `<client>-<semver>`: the longest suffix that is a version is the version (`wire.md` §2.2.1). */
export function parseClientVersion(header: string): ClientVersion {
  const parts = header.split("-");
  if (parts.length < 2) {
    throw badRequest("InvalidClientVersion", `Expected a client of the form \`name-version\`. Got ${header}`);
  }
  for (let i = 1; i < parts.length; i++) {
    const version = parts.slice(i).join("-");
    const parsed = parseSemver(version);
    if (parsed !== null) return { client: parts.slice(0, i).join("-"), version, parsed };
  }
  return { client: parts.slice(0, -1).join("-"), version: parts.at(-1) ?? "", parsed: null };
}

export interface Deprecation {
  readonly state: "Unsupported" | "UpgradeRequired";
  /** One line: it travels in a header. */
  readonly message: string;
}

/** Newest version of each client that is no longer served, and that is served with a warning (`wire.md` §2.2.2). */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  npm: UNSUPPORTED_NPM_VERSION,
  "npm-cli": UNSUPPORTED_NPM_VERSION,
  actions: UNSUPPORTED_NPM_VERSION,
  python: "0.0.2",
  rust: "0.0.1",
};
const UPGRADE_REQUIRED: Readonly<Record<string, string>> = { python: "0.2.0" };

/** Unknown clients are always served; a known client whose version cannot be read counts as older than everything. */
export function deprecation(client: ClientVersion): Deprecation | null {
  if (isAtMost(client, UNSUPPORTED)) {
    return {
      state: "Unsupported",
      message: `The Convex ${client.client} package at version ${printable(client.version)} is no longer supported. Update it.`,
    };
  }
  if (isAtMost(client, UPGRADE_REQUIRED)) {
    return {
      state: "UpgradeRequired",
      message: `The Convex ${client.client} package at version ${printable(client.version)} is deprecated. Update it soon.`,
    };
  }
  return null;
}

/** Versions from which clients ask for a format themselves; older ones expect encoded JSON (`wire.md` §2.4). */
const SINCE_CLEAN_JSON: Readonly<Record<string, string>> = {
  npm: "1.4.1",
  "npm-cli": "1.4.1",
  actions: "1.4.1",
  python: "0.5.0",
};

export function expectsEncodedJson(client: ClientVersion | null): boolean {
  if (client === null || client.parsed === null) return false;
  const since = parseSemver(SINCE_CLEAN_JSON[client.client] ?? "");
  return since !== null && compareSemver(client.parsed, since) < 0;
}

function isAtMost(client: ClientVersion, thresholds: Readonly<Record<string, string>>): boolean {
  const threshold = parseSemver(Object.hasOwn(thresholds, client.client) ? (thresholds[client.client] ?? "") : "");
  if (threshold === null) return false;
  return client.parsed === null || compareSemver(client.parsed, threshold) <= 0;
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?");
}
