import { sha256 } from "../../../src/signing/content-digest.ts";
import { parseSigningKeys } from "../../../src/signing/keys.ts";
import { MemoryNonceStore } from "../../../src/signing/nonces.ts";
import { signRequest } from "../../../src/signing/sign.ts";
import { SignatureRefusedError, verifyRequest } from "../../../src/signing/verify.ts";

const nonces = new MemoryNonceStore(100);
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };

/** `/sign`: the headers for a POST of this body to `/x`. Everything else is verified. */
export default {
  async fetch(request: Request, env: { readonly KEYS: string }): Promise<Response> {
    const keys = await parseSigningKeys(env.KEYS);
    const { pathname, search } = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer());
    if (pathname === "/sign") {
      const parts = { direction: "to-service", method: "POST", url: "http://service/x", body } as const;
      return Response.json(await signRequest(parts, keys.signing, Date, random));
    }
    const received = {
      direction: "to-worker",
      method: request.method,
      target: pathname + search,
      header: (name: string) => request.headers.get(name),
    } as const;
    try {
      await verifyRequest(received, await sha256(body), keys, nonces, Date, { clockSkewMs: 60_000 });
      return new Response("accepted");
    } catch (error) {
      if (error instanceof SignatureRefusedError) return new Response(error.code, { status: 401 });
      throw error;
    }
  },
};
