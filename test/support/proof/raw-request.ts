import { Agent, request } from "node:http";

export interface RawRequest {
  readonly method: string;
  /** As it stands on the request line: nothing is normalised. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | null;
}

export interface RawResponse {
  readonly status: number;
  readonly body: string;
}

// A kept connection may be closed by the other side just when it is used again, which would look like a failure.
const agent = new Agent({ keepAlive: false });

/** One request as it is; rejects when no whole answer came within `timeoutMs`. */
export function rawRequest(
  url: string,
  { method, path, headers, body }: RawRequest,
  timeoutMs: number,
): Promise<RawResponse> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const length = body === null ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const signal = AbortSignal.timeout(timeoutMs);
    const sent = request(
      { hostname, port, method, path, headers: { ...length, ...headers }, agent, signal },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}
