import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

/**
 * A webhook: the sender signs the raw body with a shared secret (`npx convex env set WEBHOOK_SECRET …`), and a body
 * whose signature does not fit is refused before it is even parsed.
 */
http.route({
  path: "/webhooks/tasks",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const body = await request.arrayBuffer();
    const signature = decodeHex(request.headers.get("x-signature") ?? "");
    if (!(await isSigned(body, signature, process.env.WEBHOOK_SECRET ?? ""))) {
      return new Response("wrong signature", { status: 401 });
    }
    const { project, tasks }: { project: string; tasks: { id: string; title: string }[] } = JSON.parse(
      new TextDecoder().decode(body),
    );
    const added = await ctx.runMutation(internal.tasks.addImported, {
      project,
      tasks: tasks.map(({ id, title }) => ({ title, source: `webhook#${id}` })),
    });
    return Response.json({ added });
  }),
});

export default http;

/** HMAC-SHA-256. `verify` compares in constant time. */
async function isSigned(body: ArrayBuffer, signature: Uint8Array<ArrayBuffer>, secret: string): Promise<boolean> {
  if (secret === "") return false;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["verify"]);
  return await crypto.subtle.verify("HMAC", key, signature, body);
}

function decodeHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (byte) => Number.parseInt(byte, 16));
}
