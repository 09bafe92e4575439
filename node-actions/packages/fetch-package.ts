import { Refusal } from "../refusal.ts";
import { BrokenConnectionError, NotConnectedError, type WorkerClient } from "../worker-client.ts";
import type { FetchPackage } from "./package-store.ts";

/** Code packages by signed GET. */
export function fetchPackageBy(client: WorkerClient): FetchPackage {
  return async (url, bytes) => {
    try {
      const body = new Uint8Array();
      const response = await client.send({ method: "GET", url, body, maxBytes: bytes, fresh: true });
      if (response.status === 200) return response.body;
      const message = `The code package could not be fetched: HTTP status ${response.status}.`;
      throw new Refusal(502, "PackageNotFetched", message, { retryable: response.status >= 500 });
    } catch (error) {
      if (!(error instanceof NotConnectedError) && !(error instanceof BrokenConnectionError)) throw error;
      const message = `The code package could not be fetched: ${error.code}.`;
      throw new Refusal(502, "PackageNotFetched", message, { retryable: true, cause: error });
    }
  };
}
