import type { ConvectionTarget } from "./convection-target.ts";
import { range } from "./data.ts";
import { median } from "./statistics.ts";
import type { Target } from "./target.ts";

export interface FileSpeed {
  readonly work: "upload" | "download";
  readonly bytes: number;
  /** Megabytes per second, medians over the rounds. */
  readonly baseline: number;
  readonly convection: number;
  /** Median of the rounds' ratios. */
  readonly ratio: number;
}

export interface FilePlan {
  readonly rounds: number;
  /** Transfers of one measurement, by the size of the file. */
  readonly transfers: readonly (readonly [bytes: number, count: number])[];
}

const CONNECTIONS = 8;

interface Addresses {
  upload(): Promise<string>;
  /** Of what an upload answered. */
  download(answer: string): Promise<string>;
}

/** Files go up and come down at both targets, alternating as everything else does. */
export async function measureFiles(
  targets: { readonly baseline: Target; readonly convection: ConvectionTarget },
  plan: FilePlan,
): Promise<readonly FileSpeed[]> {
  const results: FileSpeed[] = [];
  for (const [bytes, count] of plan.transfers) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    results.push(...(await measureSize(targets, bytes, count, plan.rounds)));
  }
  return results;
}

async function measureSize(
  { baseline, convection }: { readonly baseline: Target; readonly convection: ConvectionTarget },
  bytes: number,
  count: number,
  rounds: number,
): Promise<readonly FileSpeed[]> {
  const content = new Uint8Array(Buffer.alloc(bytes, "content of a file "));
  const sides = [baselineAddresses(baseline.url), convectionAddresses(convection)];
  const rates: { upload: number[]; download: number[] }[] = sides.map(() => ({ upload: [], download: [] }));
  // The first round warms up and is not counted.
  for (const round of range(rounds + 1)) {
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const [addresses, rate] = [sides[side], rates[side]];
      if (addresses === undefined || rate === undefined) throw new Error("there are two sides");
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const [uploads, upload] = await timed(count, bytes, async () => transfer(await addresses.upload(), content));
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const urls = await Promise.all(uploads.map((answer) => addresses.download(answer.toString())));
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const [downloads, download] = await timed(count, bytes, (i) => transfer(urls[i] ?? "", null));
      if (downloads.some((body) => body.length !== bytes)) throw new Error("a download is not what was uploaded");
      if (round === 0) continue;
      rate.upload.push(upload);
      rate.download.push(download);
    }
  }
  return (["upload", "download"] as const).map((work) => {
    const [theirs = [], ours = []] = rates.map((rate) => rate[work]);
    const ratio = median(ours.map((one, i) => one / (theirs[i] ?? Number.NaN)));
    return { work, bytes, baseline: median(theirs), convection: median(ours), ratio };
  });
}

/** Megabytes per second over all connections. */
async function timed(
  count: number,
  bytes: number,
  one: (index: number) => Promise<Buffer>,
): Promise<readonly [readonly Buffer[], number]> {
  const results: Buffer[] = [];
  let next = 0;
  const started = performance.now();
  await Promise.all(
    range(CONNECTIONS).map(async () => {
      while (next < count) {
        const index = next++;
        // oxlint-disable-next-line no-await-in-loop -- a connection has one transfer under way
        results[index] = await one(index);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  return [results, (count * bytes) / 1e6 / seconds];
}

async function transfer(url: string, content: Uint8Array<ArrayBuffer> | null): Promise<Buffer> {
  const upload = { method: "POST", headers: { "content-type": "image/png" }, body: content };
  const response = await fetch(url, content === null ? {} : upload);
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`${url} answered ${response.status} ${body.toString()}`);
  return body;
}

function baselineAddresses(url: string): Addresses {
  return { upload: async () => `${url}/files`, download: async (answer) => `${url}/files/${JSON.parse(answer).key}` };
}

/** One upload URL takes many files, as apps may use it; asking for one is a mutation like any other. */
function convectionAddresses(target: ConvectionTarget): Addresses {
  let uploadUrl: Promise<unknown> | undefined;
  return {
    upload: async () => String(await (uploadUrl ??= target.mutation("files:uploadUrl", {}))),
    download: async (answer) => String(await target.query("files:url", { storageId: JSON.parse(answer).storageId })),
  };
}
