// The load generator: a process of its own, so that its work is not the measured process's. Jobs come by IPC.
import { KeepAliveConnection } from "./keep-alive-connection.ts";

export interface LoadJob {
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in turn, from the first again when all were sent. `NONCE` in them is another number in every request. */
  readonly bodies: readonly string[];
  /** Every answer must contain it. */
  readonly expect: string;
  readonly connections: number;
  readonly milliseconds: number;
}

export interface LoadResult {
  /** Requests that were answered as expected. */
  readonly answered: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly bytesPerAnswer: number;
  /** The first few answers that were not what was expected. */
  readonly failures: readonly string[];
}

/** A number that every request has for itself, so that no answer can be one that was given before. */
export const NONCE = "1000000000";

const FAILURES_KEPT = 3;

let nonce = Number(NONCE);

/** Sends requests for the given time, then waits for those under way: everything sent is answered or a failure. */
export async function load(job: LoadJob): Promise<LoadResult> {
  const url = new URL(job.url);
  const requests = job.bodies.map((body) => {
    const bytes = requestBytes(url, job, body);
    return { bytes, nonceAt: bytes.lastIndexOf(NONCE) };
  });
  const latencies: number[] = [];
  const failures: string[] = [];
  let next = 0;
  let bytes = 0;
  const connections = await Promise.all(
    Array.from({ length: job.connections }, () => KeepAliveConnection.open(url.hostname, Number(url.port))),
  );
  const started = performance.now();
  const end = started + job.milliseconds;
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < end) {
        const request = requests[next++ % requests.length];
        if (request === undefined) throw new Error("a job has at least one body");
        const message = request.nonceAt === -1 ? request.bytes : withNonce(request.bytes, request.nonceAt);
        const sent = performance.now();
        // oxlint-disable-next-line no-await-in-loop -- a connection has one request under way
        const { status, body } = await connection.exchange(message);
        if (status === 200 && body.includes(job.expect)) latencies.push(performance.now() - sent);
        else if (failures.length < FAILURES_KEPT) failures.push(`${status} ${body.slice(0, 500)}`);
        bytes += body.length;
      }
      connection.close();
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const answered = latencies.length;
  latencies.sort((a, b) => a - b);
  return {
    answered,
    perSecond: answered / seconds,
    p50Ms: latencies[Math.floor(answered * 0.5)] ?? 0,
    p99Ms: latencies[Math.floor(answered * 0.99)] ?? 0,
    bytesPerAnswer: answered === 0 ? 0 : bytes / answered,
    failures,
  };
}

/** A copy: the socket may still have to send the one before. */
function withNonce(request: Buffer, at: number): Buffer {
  const copy = Buffer.from(request);
  copy.write(String(++nonce), at, "latin1");
  return copy;
}

function requestBytes(url: URL, job: LoadJob, body: string): Buffer {
  const headers = {
    host: url.host,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    ...job.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${job.path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

if (import.meta.main) {
  process.on("message", (job: LoadJob) => {
    load(job).then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : "failed" }),
    );
  });
}
