import { readdirSync, readFileSync } from "node:fs";
import { request, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Files } from "../../support/stored-files.ts";

const MB = 1_000_000;

/** Whoever holds a whole file takes more. Of this, the local R2, which runs in the same process, needs the most. */
const SIZE = 200 * MB;
const GROWTH = 190 * MB;
const CHUNK = Buffer.alloc(64 * 1024, "x");

function field(pid: number, file: string, pattern: RegExp): string | undefined {
  try {
    return pattern.exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1];
  } catch {
    // Ended meanwhile.
    return undefined;
  }
}

/** The runtime below this process, however deep. */
function runtimeOf(ancestor: number): number {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const found = pids.find((pid) => {
    if (field(pid, "comm", /^(.*)/) !== "workerd") return false;
    for (let at = pid; at > 1; at = Number(field(at, "status", /PPid:\s+(\d+)/) ?? 0)) if (at === ancestor) return true;
    return false;
  });
  if (found === undefined) throw new Error("no workerd below the backend");
  return found;
}

function residentBytes(pid: number): number {
  return Number(field(pid, "status", /VmRSS:\s+(\d+)/) ?? Number.NaN) * 1024;
}

/** Sends as much as the other side takes. */
async function uploadLarge(url: string, headers: OutgoingHttpHeaders): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sending = request(url, { method: "POST", headers }, resolve);
  sending.on("error", reject);
  for (let sent = 0; sent < SIZE; sent += CHUNK.length) {
    const chunk = CHUNK.subarray(0, SIZE - sent);
    if (!sending.write(chunk)) await new Promise((drained) => sending.once("drain", drained));
  }
  sending.end();
  let text = "";
  for await (const part of await promise) text += String(part);
  return JSON.parse(text).storageId;
}

async function downloadedBytes(url: string): Promise<number> {
  let size = 0;
  for await (const chunk of (await fetch(url)).body ?? []) size += chunk.length;
  return size;
}

test.each([
  { way: "announced", headers: { "content-length": SIZE } },
  // The local R2 reads all parts of such a file at once: coming down is no matter of ours there.
  { way: "not announced", headers: {} },
])("FILE7 P-B-1 P-B-4 a file of 200 MB passes with memory flat, its size $way", async ({ way, headers }) => {
  await using backend = await startBackend({ app: join(FIXTURES, "files-app") });
  const files = new Files(backend.url);
  await files.store("warm");
  const pid = runtimeOf(backend.process.process.pid ?? 0);
  const before = residentBytes(pid);
  let peak = before;
  const watching = setInterval(() => (peak = Math.max(peak, residentBytes(pid))), 20);
  try {
    const storageId = await uploadLarge(await files.uploadUrl(), headers);
    expect(await files.query("files:document", { storageId })).toMatchObject({ size: SIZE });
    if (way === "announced") expect(await downloadedBytes(await files.urlOf(storageId))).toBe(SIZE);
  } finally {
    clearInterval(watching);
  }
  console.info(`grew by ${Math.round((peak - before) / MB)} MB`);
  expect(peak - before).toBeLessThan(GROWTH);
});
