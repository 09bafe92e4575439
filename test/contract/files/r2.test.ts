import type { Miniflare } from "miniflare";
import { afterAll, beforeAll } from "vitest";
import { bundledWorker } from "../../support/bundled-worker.ts";
import { RemoteFileStore } from "./remote-file-store.ts";
import { fileStoreContract } from "./suite.ts";

let miniflare: Miniflare;
let url: URL;

beforeAll(async () => {
  miniflare = await bundledWorker(import.meta.dirname, { r2Buckets: ["FILES"] });
  url = await miniflare.ready;
});

afterAll(() => miniflare.dispose());

fileStoreContract("R2", async () => new RemoteFileStore(url));
