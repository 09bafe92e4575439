import { chunksOf } from "../../../src/files/chunks.ts";
import { R2FileStore } from "../../../src/files/r2-file-store.ts";

/** An `R2FileStore` on a real bucket, one operation per request: see `remote-file-store.ts`. */

async function* bytesOf(body: ReadableStream<Uint8Array> | null, failure: string | null) {
  if (body !== null) yield* chunksOf(body, 60_000);
  if (failure !== null) throw new Error(failure);
}

export default {
  async fetch(request: Request, { FILES }: { FILES: R2Bucket }): Promise<Response> {
    const store = new R2FileStore(FILES);
    const [operation, argument] = JSON.parse(request.headers.get("x-operation") ?? "[]");
    try {
      switch (operation) {
        case "put": {
          const { file, size, sha256, failure } = argument;
          return Response.json(await store.put(file, { bytes: bytesOf(request.body, failure), size, sha256 }));
        }
        case "get": {
          const stream = await store.get(argument.file, argument.range);
          return stream === null ? new Response(null, { status: 404 }) : new Response(stream);
        }
        case "delete":
          await store.delete(argument.files);
          return Response.json(null);
        case "list":
          return Response.json(await store.list(argument.day, argument.cursor));
        default:
          return new Response(null, { status: 400 });
      }
    } catch (error) {
      return new Response((error as Error).message, { status: 500 });
    }
  },
};
