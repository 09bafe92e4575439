// Adds what `npm install` leaves out of package-lock.json when the registry it asked does not hold the packages of
// every platform: optional dependencies for other systems. `npm ci` refuses a lockfile without them, and skips them
// by `os` and `cpu` when it has them. Run after every change of dependencies: `node scripts/complete-lockfile.ts`.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILE = join(import.meta.dirname, "../package-lock.json");

interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

const SYSTEMS = ["android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32", "aix"];
const PROCESSORS = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "loong64", "mips64el", "wasm32"];

/** `os` and `cpu` as the name of a platform package tells them. */
function platform(name: string): { readonly os?: readonly string[]; readonly cpu: readonly string[] } {
  const words = name.replace("windows", "win32").replace(/-64$/, "-x64").split(/[-/]/);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = PROCESSORS.find((processor) => words.includes(processor));
  if (cpu === undefined) throw new Error(`${name} does not name a processor`);
  return { ...(os === undefined ? {} : { os: [os] }), cpu: [cpu] };
}

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(readFileSync(FILE, "utf8"));
let added = 0;
for (const [path, { optionalDependencies }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies ?? {})) {
    const places = [`${path}/node_modules/${name}`, `node_modules/${name}`];
    if (places.some((place) => place in lock.packages)) continue;
    lock.packages[`node_modules/${name}`] = { version, optional: true, ...platform(name) };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
console.error(`${added} platform packages added`);
