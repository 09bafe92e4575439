// A hand-written Node server behind the hand-written Worker: checks an HMAC of the body and answers null.
import { createHmac, timingSafeEqual } from "node:crypto";
import { serve } from "@hono/node-server";
import { Hono } from "hono";

const key = process.env["BENCH_KEY"] ?? "";
const app = new Hono();

app.post("/noop", async (c) => {
  const body = await c.req.text();
  const expected = createHmac("sha256", key).update(body).digest();
  const given = Buffer.from(c.req.header("x-signature") ?? "", "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return c.json("unsigned", 401);
  JSON.parse(body);
  return c.json(null);
});

serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
  process.send?.({ url: `http://127.0.0.1:${port}` }),
);
process.on("disconnect", () => process.exit());
