import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { unzip, type Unzipped } from "fflate";
import { z } from "zod";
import { Refusal } from "../refusal.ts";

const manifest = z.object({ files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })) });

type Manifest = z.infer<typeof manifest>;

const MANIFEST = "manifest.json";

/** Writes the zip's files below `modules/` of an empty directory, and what they must be like beside it. */
export async function unpack(zip: Uint8Array, directory: string, maxBytes: number): Promise<void> {
  const entries = Object.entries(await unzipped(zip, maxBytes)).filter(([name]) => !name.endsWith("/"));
  const files: Manifest["files"] = [];
  for (const [name, bytes] of entries) {
    const path = safePath(name);
    const file = join(directory, "modules", path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes, { mode: 0o644 });
    files.push({ path, bytes: bytes.length, sha256: sha256(bytes) });
  }
  await mkdir(join(directory, "modules"), { recursive: true });
  // Modules are ESM whatever their names say.
  await writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(directory, MANIFEST), JSON.stringify({ files } satisfies Manifest));
}

/** Whether every file is what was unpacked. Half-written and damaged packages are not. */
export async function isIntact(directory: string): Promise<boolean> {
  try {
    const { files } = manifest.parse(JSON.parse(await readFile(join(directory, MANIFEST), "utf8")));
    for (const { path, sha256: expected } of files) {
      if (sha256(await readFile(join(directory, "modules", path))) !== expected) return false;
    }
    return (await readFile(join(directory, "package.json"), "utf8")) === JSON.stringify({ type: "module" });
  } catch {
    // Missing, unreadable or no JSON: not intact, whatever the reason.
    return false;
  }
}

/** Changes whenever a file is written, replaced or added: cheap to ask before every use. */
export async function fingerprint(directory: string): Promise<string> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const lines: string[] = [];
  for (const name of names) {
    if (!name.isFile()) continue;
    const file = join(name.parentPath, name.name);
    const { size, mtimeMs, ctimeMs, ino } = await stat(file);
    lines.push(`${file} ${size} ${mtimeMs} ${ctimeMs} ${ino}`);
  }
  return sha256(lines.toSorted().join("\n"));
}

export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

function unzipped(zip: Uint8Array, maxBytes: number): Promise<Unzipped> {
  let total = 0;
  return new Promise((resolve, reject) => {
    const filter = ({ originalSize }: { readonly originalSize: number }): boolean => {
      total += originalSize;
      return total <= maxBytes;
    };
    unzip(zip, { filter }, (error, files) => {
      if (error !== null) {
        reject(new Refusal(422, "PackageNotReadable", "The code package is not a zip.", { cause: error }));
      } else if (total > maxBytes) {
        reject(new Refusal(422, "PackageTooLarge", `The code package is larger than ${maxBytes} bytes unpacked.`));
      } else resolve(files);
    });
  });
}

function safePath(name: string): string {
  const path = posix.normalize(name);
  if (path.startsWith("..") || path.startsWith("/") || path.includes("\\") || path.includes("\0")) {
    throw new Refusal(422, "PackageNotReadable", "The code package has a file outside of it.");
  }
  return path;
}
