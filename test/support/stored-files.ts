import { createHash } from "node:crypto";
import { FunctionClient } from "./function-client.ts";

export interface Uploaded {
  readonly status: number;
  /** Parsed JSON. */
  readonly body: { readonly storageId?: string; readonly code?: string; readonly message?: string };
  readonly headers: Headers;
}

/** A client of `test/fixtures/files-app` that uploads and downloads as browsers do. */
export class Files extends FunctionClient {
  uploadUrl(): Promise<string> {
    return this.mutation("files:uploadUrl");
  }

  url(storageId: string): Promise<string | null> {
    return this.query("files:url", { storageId });
  }

  /** Stores a file and returns its id. */
  async store(content: BodyInit, headers: Record<string, string> = {}): Promise<string> {
    const { status, body } = await upload(await this.uploadUrl(), content, headers);
    if (status !== 200 || body.storageId === undefined) throw new Error(`upload: ${status} ${JSON.stringify(body)}`);
    return body.storageId;
  }

  async download(storageId: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(await this.urlOf(storageId), { headers });
  }

  async urlOf(storageId: string): Promise<string> {
    const url = await this.url(storageId);
    if (url === null) throw new Error(`no file ${storageId}`);
    return url;
  }
}

export async function upload(
  url: string,
  content: BodyInit | null,
  headers: Record<string, string> = {},
): Promise<Uploaded> {
  // Bytes: `fetch` gives them no content type of its own.
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const response = await fetch(url, { method: "POST", headers, body });
  return { status: response.status, body: JSON.parse(await response.text()), headers: response.headers };
}

export function sha256(content: string, encoding: "base64" | "hex" = "base64"): string {
  return createHash("sha256").update(content).digest(encoding);
}
