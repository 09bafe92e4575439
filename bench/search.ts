// Searches: vectors against one pass over the same bytes, text against hand-written FTS5 on D1.
import { startBaseline } from "./baseline-target.ts";
import { type ConvectionTarget, startConvection } from "./convection-target.ts";
import { chunks, range } from "./data.ts";
import type { LoadGenerator } from "./load-generator.ts";
import { QuantizedVectors } from "../src/search/vector/quantized-vectors.ts";
import { unitVector } from "../src/search/vector/unit-vector.ts";
import { median } from "./statistics.ts";
import { type Request, send, type Target } from "./target.ts";

const DIMENSIONS = 1536;

export interface SearchPlan {
  readonly vectors: number;
  readonly notes: number;
  readonly rounds: number;
  readonly milliseconds: number;
}

export interface SearchFigures {
  readonly vectors: {
    readonly count: number;
    readonly p50Ms: number;
    readonly passMs: number;
    readonly ratio: number;
    /** Bytes in memory per byte of the codes. */
    readonly memory: number;
    readonly buildSeconds: number;
  };
  readonly text: {
    readonly documents: number;
    readonly p50Ms: readonly [baseline: number, ours: number];
    readonly ratio: number;
    readonly buildSeconds: number;
  };
  readonly insert: {
    readonly p50Ms: readonly [without: number, withIndex: number];
    readonly ratio: number;
  };
}

export async function measureSearch(generator: LoadGenerator, plan: SearchPlan): Promise<SearchFigures> {
  await using convection = await startConvection();
  await using baseline = await startBaseline();
  const insert = await measureInserts(generator, convection, plan);
  const vectors = await measureVectors(generator, convection, plan);
  const text = await measureText(generator, baseline, convection, plan);
  return { vectors, text, insert };
}

async function measureVectors(
  generator: LoadGenerator,
  convection: ConvectionTarget,
  { vectors: count, rounds, milliseconds }: SearchPlan,
): Promise<SearchFigures["vectors"]> {
  for (const some of chunks(range(count), 200)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await convection.mutation("search:seedVectors", { from: some[0], count: some.length });
  }
  const started = performance.now();
  await convection.action("search:nearest", { seed: 1, limit: 10 });
  const buildSeconds = (performance.now() - started) / 1000;
  const request = call(
    "action",
    "search:nearest",
    range(50).map((seed) => ({ seed, limit: 10 })),
  );
  const noop = call("action", "actions:noop", [{}]);
  const run = async (job: Request): Promise<number> =>
    (await generator.run({ ...job, url: convection.url, connections: 1, milliseconds })).p50Ms;
  await run(request);
  await run(noop);
  const pass = onePass(count);
  const measured: { readonly searchMs: number; readonly passMs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    measured.push({ searchMs: await run(request), passMs: pass() });
  }
  return {
    count,
    p50Ms: median(measured.map(({ searchMs }) => searchMs)),
    passMs: median(measured.map(({ passMs }) => passMs)),
    ratio: median(measured.map(({ searchMs, passMs }) => searchMs / passMs)),
    memory: memoryRatio(count),
    buildSeconds,
  };
}

/** Milliseconds of one pass of a typed-array loop over as many bytes as the index keeps in memory: a sum of products. */
function onePass(count: number): () => number {
  const bytes = Int8Array.from({ length: count * DIMENSIONS }, (_, i) => (i * 31) % 127);
  const query = Int32Array.from({ length: DIMENSIONS }, (_, i) => (i * 17) % 1000);
  let kept = 0;
  const pass = (): number => {
    const begin = performance.now();
    for (let offset = 0; offset < bytes.length; offset += DIMENSIONS) {
      let sum = 0;
      for (let i = 0; i < DIMENSIONS; i++) sum = (sum + Math.imul(bytes[offset + i] ?? 0, query[i] ?? 0)) | 0;
      kept ^= sum;
    }
    return performance.now() - begin;
  };
  for (let i = 0; i < 5; i++) pass();
  return () => {
    const times = Array.from({ length: 9 }, pass);
    if (Number.isNaN(kept)) throw new Error("the sums are used");
    return median(times);
  };
}

/** Of the same class with the same content: the arrays it holds are all the memory an index keeps. */
function memoryRatio(count: number): number {
  const quantized = new QuantizedVectors(DIMENSIONS, 1, 2 ** 40);
  const vector = unitVector(Array.from({ length: DIMENSIONS }, (_, i) => Math.sin(i)));
  for (let slot = 0; slot < count; slot++) quantized.set(slot, vector, [slot]);
  quantized.candidates(vector, null, 10);
  return quantized.bytes / (count * DIMENSIONS);
}

async function measureText(
  generator: LoadGenerator,
  baseline: Target,
  convection: ConvectionTarget,
  { notes, rounds, milliseconds }: SearchPlan,
): Promise<SearchFigures["text"]> {
  const words = new Words();
  for (const some of chunks(range(notes), 1000)) {
    const bodies = some.map(() => words.text(12));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await Promise.all([
      convection.mutation("search:seed", { bodies }),
      send(baseline.url, { path: "/seed-notes", headers: {}, expect: "" }, JSON.stringify({ bodies })),
    ]);
  }
  const pairs = range(50).map((i) => [words.word(20 + i * 7), words.word(40 + i * 11)] as const);
  const started = performance.now();
  await convection.query("search:find", { text: "anything" });
  const buildSeconds = (performance.now() - started) / 1000;
  const jobs = [
    {
      ...post(
        "/find",
        pairs.map(([a, b]) => ({ match: `"${a}" OR "${b}" *` })),
      ),
      url: baseline.url,
    },
    {
      ...call(
        "query",
        "search:find",
        pairs.map(([a, b]) => ({ text: `${a} ${b}` })),
      ),
      url: convection.url,
    },
  ] as const;
  const run = async (job: (typeof jobs)[number]): Promise<number> =>
    (await generator.run({ ...job, connections: 1, milliseconds })).p50Ms;
  const measured: (readonly [number, number])[] = [];
  for (let round = 0; round <= rounds; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const pair = [await run(jobs[0]), await run(jobs[1])] as const;
    if (round > 0) measured.push(pair);
  }
  return {
    documents: notes,
    p50Ms: [median(measured.map(([theirs]) => theirs)), median(measured.map(([, ours]) => ours))],
    ratio: median(measured.map(([theirs, ours]) => ours / theirs)),
    buildSeconds,
  };
}

async function measureInserts(
  generator: LoadGenerator,
  convection: ConvectionTarget,
  { rounds, milliseconds }: SearchPlan,
): Promise<SearchFigures["insert"]> {
  const words = new Words();
  const bodies = range(200).map(() => ({ body: words.text(12) }));
  const run = async (path: string): Promise<number> => {
    const job = { ...call("mutation", path, bodies), url: convection.url, connections: 1, milliseconds };
    return (await generator.run(job)).p50Ms;
  };
  const measured: (readonly [number, number])[] = [];
  for (let round = 0; round <= rounds; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const pair = [await run("search:insertPlain"), await run("search:insert")] as const;
    if (round > 0) measured.push(pair);
  }
  return {
    p50Ms: [median(measured.map(([without]) => without)), median(measured.map(([, indexed]) => indexed))],
    ratio: median(measured.map(([without, indexed]) => indexed / without)),
  };
}

function post(path: string, bodies: readonly unknown[]): Request {
  return { path, headers: {}, expect: "[", bodies: bodies.map((body) => JSON.stringify(body)) };
}

function call(kind: string, path: string, args: readonly unknown[]): Request {
  return {
    path: `/api/${kind}`,
    headers: { "convex-client": "npm-1.48.0" },
    expect: '"success"',
    bodies: args.map((one) => JSON.stringify({ path, format: "convex_encoded_json", args: [one] })),
  };
}

/** Words as often as in texts: the n-th most frequent one n times as rare as the first, of 20,000. */
class Words {
  #state = 42;

  word(rank: number): string {
    let rest = Math.imul(rank + 1, 2_654_435_761) >>> 0;
    let word = "";
    for (let i = 0; i < 5; i++) {
      word += String.fromCharCode(97 + (rest % 26));
      rest = Math.floor(rest / 26);
    }
    return word;
  }

  text(length: number): string {
    return range(length)
      .map(() => this.word(Math.floor(20_000 ** this.#next()) - 1))
      .join(" ");
  }

  #next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }
}

export function searchLines({ vectors, text, insert }: SearchFigures): string[] {
  const verdict = (value: number, target: number): string =>
    `target ≤ ${target}, ${value <= target ? "met" : "missed"}`;
  return [
    `Vector search: ${vectors.count} × ${DIMENSIONS}, whole action over HTTP, p50 ${vectors.p50Ms.toFixed(1)} ms; one pass of ` +
      `a typed-array loop over the same bytes ${vectors.passMs.toFixed(1)} ms: **${vectors.ratio.toFixed(2)}** ` +
      `(${verdict(vectors.ratio, 5)}). Memory **${vectors.memory.toFixed(2)}** × the quantized bytes ` +
      `(${verdict(vectors.memory, 1.3)}). Built from the documents in ${vectors.buildSeconds.toFixed(1)} s.`,
    "",
    `Text search: ${text.documents} documents, two terms, p50 ${text.p50Ms[1].toFixed(1)} ms; FTS5 on D1 written by hand ` +
      `${text.p50Ms[0].toFixed(1)} ms: **${text.ratio.toFixed(2)}** (${verdict(text.ratio, 3)}). Built in ` +
      `${text.buildSeconds.toFixed(1)} s. An insert takes ${insert.p50Ms[1].toFixed(2)} ms with a search index and ` +
      `${insert.p50Ms[0].toFixed(2)} ms without: **${insert.ratio.toFixed(2)}** (${verdict(insert.ratio, 2)}).`,
  ];
}
