export interface Semver {
  readonly numbers: readonly [number, number, number];
  readonly prerelease: boolean;
}

const SEMVER = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

export function parseSemver(text: string): Semver | null {
  const match = SEMVER.exec(text);
  if (match === null) return null;
  return { numbers: [Number(match[1]), Number(match[2]), Number(match[3])], prerelease: match[4] !== undefined };
}

/** Negative when `a` is older. Prereleases of one version count as equal. */
export function compareSemver(a: Semver, b: Semver): number {
  for (const i of [0, 1, 2] as const) {
    if (a.numbers[i] !== b.numbers[i]) return a.numbers[i] - b.numbers[i];
  }
  return Number(b.prerelease) - Number(a.prerelease);
}
