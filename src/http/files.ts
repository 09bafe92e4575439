import { Hono } from "hono";
import { requestedRange } from "../files/byte-range.ts";
import type { StoredFile } from "../engine/stored-files.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import { contentLength, contentType, expectedHash, uploadToken } from "./file-headers.ts";
import type { HttpServices } from "./services.ts";

const MONTH_SECONDS = 30 * 24 * 60 * 60;

/** Under `/api`: stored files (`wire.md` §4.1, §4.2). The URL itself is what gives access. */
export function fileRoutes({ files }: Pick<HttpServices, "files">): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();

  app.post("/storage/upload", async (c) => {
    const { headers, body } = c.req.raw;
    const token = uploadToken(c.req.query("token"));
    const storageId = await files.uploads.upload(token, {
      bytes: body,
      size: contentLength(headers),
      contentType: contentType(headers),
      sha256: expectedHash(headers),
    });
    return c.json({ storageId });
  });

  // Answers HEAD, too.
  app.get("/storage/:name", async (c) => {
    const name = c.req.param("name");
    const component = c.req.query("component") ?? "";
    const { headers, method } = c.req.raw;
    if (method !== "HEAD" && !headers.has("range") && !headers.has("if-none-match")) {
      const { file, bytes } = await files.downloads.open(component, name);
      return c.body(bytes, 200, wholeHeaders(file));
    }
    const file = await files.downloads.find(component, name);
    if (matches(headers.get("if-none-match"), etag(file))) return c.body(null, 304, commonHeaders(file));
    return answerPart(c, file, files.downloads);
  });

  return app;
}

async function answerPart(
  c: HttpContext,
  file: StoredFile,
  downloads: HttpServices["files"]["downloads"],
): Promise<Response> {
  const { headers, method } = c.req.raw;
  const ifRange = headers.get("if-range");
  const stale = ifRange !== null && ifRange !== etag(file);
  const requested = requestedRange(stale ? null : headers.get("range"), file.size);
  switch (requested.kind) {
    case "unsatisfiable":
      return c.body(null, 416, { "Content-Range": `bytes */${file.size}`, "Accept-Ranges": "bytes" });
    case "whole":
      if (method === "HEAD") return c.body(null, 200, wholeHeaders(file));
      return c.body(await downloads.openPart(file), 200, wholeHeaders(file));
    case "part": {
      const { range } = requested;
      const partHeaders = {
        ...commonHeaders(file),
        "Content-Length": String(range.length),
        "Content-Range": `bytes ${range.offset}-${range.offset + range.length - 1}/${file.size}`,
      };
      if (method === "HEAD") return c.body(null, 206, partHeaders);
      return c.body(await downloads.openPart(file, range), 206, partHeaders);
    }
    default:
      return requested satisfies never;
  }
}

function wholeHeaders(file: StoredFile): Record<string, string> {
  return { ...commonHeaders(file), "Content-Length": String(file.size), Digest: `sha-256=${file.sha256}` };
}

/**
 * A file never changes, so it may be kept for long; it may be deleted, so nobody else may keep it. Its encoding is said,
 * though there is none: Cloudflare would compress text on its way, and the length that clients measure progress by is lost.
 */
function commonHeaders(file: StoredFile): Record<string, string> {
  return {
    "Content-Encoding": "identity",
    ...(file.contentType === null ? {} : { "Content-Type": file.contentType }),
    "Cache-Control": `private, max-age=${MONTH_SECONDS}`,
    "Accept-Ranges": "bytes",
    ETag: etag(file),
  };
}

function etag({ sha256 }: StoredFile): string {
  return `"${sha256}"`;
}

function matches(header: string | null, tag: string): boolean {
  if (header === null) return false;
  return header.split(",").some((candidate) => [tag, `W/${tag}`, "*"].includes(candidate.trim()));
}
