import { request } from "node:http";
import { gunzipSync, inflateSync } from "node:zlib";
import { convexToJson, type JSONValue, jsonToConvex, type Value } from "convex/values";
import { float } from "./native-client.ts";

/** What it raises: `kind` is the exception's class. */
export class PythonError extends Error {
  readonly kind: "ConvexError" | "ConvexExecutionError" | "Exception";
  readonly data: Value | undefined;

  constructor(kind: PythonError["kind"], message: string, data?: Value) {
    super(message);
    this.kind = kind;
    this.data = data;
  }
}

/** The requests of `convex.http_client.ConvexHttpClient` of the Python package, byte for byte, and how it reads answers. */
export class PythonHttpClient {
  readonly #address: string;
  readonly #version: string;
  /** `Authorization`, if there is one. */
  auth: string | null = null;

  constructor(address: string, version = "0.7.0") {
    this.#address = address.replace(/\/$/, "");
    this.#version = version;
  }

  query(name: string, args: Record<string, Value> = {}): Promise<Value> {
    return this.#call("query", name, args);
  }

  mutation(name: string, args: Record<string, Value> = {}): Promise<Value> {
    return this.#call("mutation", name, args);
  }

  action(name: string, args: Record<string, Value> = {}): Promise<Value> {
    return this.#call("action", name, args);
  }

  async #call(kind: string, name: string, args: Record<string, Value>): Promise<Value> {
    const body = dumps({ path: name, format: "convex_encoded_json", args: convexToJson(args) });
    const { status, headers, text } = await this.#post(`${this.#address}/api/${kind}`, body);
    if (headers["x-convex-deprecation-state"] !== undefined) {
      if (headers["x-convex-deprecation-message"] === undefined) throw new Error("a state without a message");
    }
    const answer = JSON.parse(text) as Record<string, JSONValue>;
    if (status >= 400) {
      const { code, message } = answer;
      if (typeof code !== "string" || typeof message !== "string") throw new Error(`KeyError in ${text}`);
      throw new PythonError("Exception", `${status} ${code}: ${message}`);
    }
    if (answer["status"] === "success" && answer["value"] !== undefined) return jsonToConvex(answer["value"]);
    if (answer["status"] !== "error") throw new Error(`Received unexpected response from Convex server. ${text}`);
    const { errorData, errorMessage } = answer;
    if (errorData !== undefined) {
      throw new PythonError(
        "ConvexError",
        typeof errorData === "string" ? errorData : "Convex error",
        jsonToConvex(errorData),
      );
    }
    if (typeof errorMessage !== "string") throw new Error(`KeyError in ${text}`);
    throw new PythonError("ConvexExecutionError", errorMessage);
  }

  #post(url: string, body: string) {
    return new Promise<{ status: number; headers: Record<string, string>; text: string }>((resolve, reject) => {
      const sent = request(url, {
        method: "POST",
        headers: {
          "User-Agent": "python-requests/2.32.3",
          "Accept-Encoding": "gzip, deflate",
          Accept: "*/*",
          Connection: "keep-alive",
          "Convex-Client": `python-${this.#version}`,
          ...(this.auth === null ? {} : { Authorization: this.auth }),
          "Content-Length": Buffer.byteLength(body),
          "Content-Type": "application/json",
        },
      });
      sent.on("error", reject);
      sent.on("response", (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string>,
            text: uncompressed(response.headers["content-encoding"], Buffer.concat(parts)).toString(),
          }),
        );
      });
      sent.end(body);
    });
  }
}

function uncompressed(encoding: string | undefined, body: Buffer): Buffer {
  if (encoding === "gzip") return gunzipSync(body);
  if (encoding === "deflate") return inflateSync(body);
  if (encoding === undefined) return body;
  throw new Error(`nobody asked for ${encoding}`);
}

/** `json.dumps`: a space after each colon and comma, nothing beyond ASCII, floats that look like floats. */
function dumps(json: JSONValue): string {
  if (typeof json === "number") return float(json).replace(/e(\d)/, "e+$1");
  if (typeof json === "string") return ascii(JSON.stringify(json));
  if (Array.isArray(json)) return `[${json.map(dumps).join(", ")}]`;
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  const fields = Object.entries(json).map(([key, value]) => `${ascii(JSON.stringify(key))}: ${dumps(value ?? null)}`);
  return `{${fields.join(", ")}}`;
}

function ascii(text: string): string {
  return text.replaceAll(/[^\0-~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
