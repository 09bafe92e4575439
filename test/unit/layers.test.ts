import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

/** Folder → folders it may import. The table of CONTRIBUTING.md. */
const ALLOWED: Record<string, readonly string[]> = {
  "src/shared": [],
  "src/values": ["src/shared"],
  "src/protocol": ["src/shared", "src/values"],
  "src/engine": ["src/shared", "src/values"],
  "src/signing": ["src/shared"],
  "src/persistence": ["src/shared", "src/values", "src/engine"],
  "src/search": ["src/shared", "src/values", "src/protocol", "src/engine"],
  "src/files": ["src/shared", "src/values", "src/protocol", "src/engine"],
  "src/auth": ["src/shared", "src/values", "src/protocol"],
  "src/runtime": ["src/shared", "src/values", "src/protocol", "src/engine", "src/auth", "src/signing"],
  "src/transactor": ["src/shared", "src/values", "src/protocol", "src/engine", "src/persistence", "src/runtime"],
  "src/sync": ["src/shared", "src/values", "src/protocol", "src/engine", "src/auth", "src/runtime"],
  "src/scheduler": ["src/shared", "src/values", "src/protocol", "src/engine", "src/runtime"],
  "src/deploy": ["src/shared", "src/values", "src/protocol", "src/engine", "src/runtime"],
  "src/transfer": ["src/shared", "src/values", "src/protocol", "src/engine", "src/runtime", "src/deploy"],
  "src/logs": ["src/shared", "src/protocol"],
  "src/system": [
    "src/shared",
    "src/values",
    "src/protocol",
    "src/engine",
    "src/auth",
    "src/runtime",
    "src/deploy",
    "src/transfer",
  ],
  "src/http": [
    "src/shared",
    "src/values",
    "src/protocol",
    "src/engine",
    "src/auth",
    "src/signing",
    "src/files",
    "src/runtime",
    "src/deploy",
    "src/transfer",
    "src/system",
  ],
  "src/react": [],
  "src/cli": ["src/shared", "src/values", "src/protocol", "src/signing"],
  "node-actions": ["src/shared", "src/values", "src/protocol", "src/signing"],
};

function sources(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function room(file: string): string | undefined {
  return Object.keys(ALLOWED).find((folder) => file.startsWith(`${folder}/`));
}

function imports(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].flatMap((match) => match[1] ?? []);
}

test("L1 a folder imports only what its row of the layer table allows", () => {
  const offences: string[] = [];
  for (const folder of Object.keys(ALLOWED)) {
    for (const file of sources(folder)) {
      for (const specifier of imports(file)) {
        if (!specifier.startsWith(".")) continue;
        const target = normalize(join(dirname(file), specifier));
        const targetRoom = room(target);
        if (targetRoom === folder) continue;
        if (targetRoom === undefined || !ALLOWED[folder]?.includes(targetRoom)) {
          offences.push(`${file} imports ${target}`);
        }
      }
    }
  }
  expect(offences).toEqual([]);
});

test("L2 the engine is pure: no Workers, Node or storage package", () => {
  const offences: string[] = [];
  for (const folder of ["src/shared", "src/values", "src/protocol", "src/engine"]) {
    for (const file of sources(folder)) {
      for (const specifier of imports(file)) {
        if (/^(node:|cloudflare:|drizzle|hono|miniflare|wrangler)/.test(specifier)) {
          offences.push(`${file} imports ${specifier}`);
        }
      }
    }
  }
  expect(offences).toEqual([]);
});

test("L3 no file imports itself by way of others, types included", () => {
  const files = new Set([...Object.keys(ALLOWED), "src/compose"].flatMap(sources));
  const onPath: string[] = [];
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string): void => {
    if (done.has(file)) return;
    const start = onPath.indexOf(file);
    if (start >= 0) {
      circles.push([...onPath.slice(start), file].join(" → "));
      return;
    }
    onPath.push(file);
    for (const specifier of imports(file)) {
      const target = normalize(join(dirname(file), specifier));
      if (specifier.startsWith(".") && files.has(target)) visit(target);
    }
    onPath.pop();
    done.add(file);
  };
  files.forEach(visit);
  expect(circles).toEqual([]);
});
