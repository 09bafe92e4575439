import { desc, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { Hono } from "hono";
import { counters, messages } from "./schema.ts";

export { Broadcast } from "./broadcast.ts";

interface Bindings {
  readonly DB: D1Database;
  readonly BROADCAST: {
    getByName(name: string): { fetch(request: Request): Promise<Response>; increment(): Promise<number> };
  };
  readonly NODE_URL: string;
  readonly NODE_KEY: string;
  readonly FILES: R2Bucket;
}

const app = new Hono<{ Bindings: Bindings }>();

app.post("/get", async (c) => {
  const { id } = await c.req.json<{ id: number }>();
  const [row] = await drizzle(c.env.DB).select().from(messages).where(eq(messages.id, id));
  return c.json(row ?? null);
});

app.post("/list", async (c) => {
  const { channel } = await c.req.json<{ channel: string }>();
  const rows = await drizzle(c.env.DB)
    .select()
    .from(messages)
    .where(eq(messages.channel, channel))
    .orderBy(desc(messages.createdAt))
    .limit(20);
  return c.json(rows);
});

app.post("/insert", async (c) => {
  const { channel, author, body } = await c.req.json<{ channel: string; author: string; body: string }>();
  const [row] = await drizzle(c.env.DB)
    .insert(messages)
    .values({ channel, author, body, createdAt: Date.now() })
    .returning({ id: messages.id });
  return c.json(row?.id ?? null);
});

/** Read, decide in code, write back guarded by what was read: how a careful team does it without transactions. */
app.post("/modify", async (c) => {
  const { name } = await c.req.json<{ name: string }>();
  const db = drizzle(c.env.DB);
  for (;;) {
    const [row] = await db.select().from(counters).where(eq(counters.name, name));
    if (row === undefined) return c.json(null, 404);
    const result = await db
      .update(counters)
      .set({ value: row.value + 1 })
      .where(sql`${counters.name} = ${name} AND ${counters.value} = ${row.value}`);
    if (result.meta.changes === 1) return c.json(row.value + 1);
  }
});

app.post("/increment", async (c) => {
  const [row] = await drizzle(c.env.DB)
    .update(counters)
    .set({ value: sql`${counters.value} + 1` })
    .where(eq(counters.name, "hot"))
    .returning({ value: counters.value });
  return c.json(row?.value ?? null);
});

app.get("/broadcast", (c) => c.env.BROADCAST.getByName("all").fetch(c.req.raw));

app.post("/publish", async (c) => c.json(await c.env.BROADCAST.getByName("all").increment()));

app.post("/noop", async (c) => {
  await c.req.json();
  return c.json(null);
});

app.post("/http-action", (c) => c.json(null));
const encoder = new TextEncoder();
let hmac: Promise<CryptoKey> | undefined;

/** Forwards to a Node server, with an HMAC of the body as a header. */
app.post("/node-noop", async (c) => {
  const body = await c.req.text();
  hmac ??= crypto.subtle.importKey("raw", encoder.encode(c.env.NODE_KEY), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", await hmac, encoder.encode(body)));
  const signature = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const headers = { "content-type": "application/json", "x-signature": signature };
  const answer = await fetch(`${c.env.NODE_URL}/noop`, { method: "POST", headers, body });
  return c.json(await answer.json());
});

app.post("/action-query", async (c) => {
  const { id } = await c.req.json<{ id: number }>();
  const [row] = await drizzle(c.env.DB).select().from(messages).where(eq(messages.id, id));
  return c.json(row ?? null);
});

/** Any of the terms, the last as a prefix. */
app.post("/find", async (c) => {
  const { match } = await c.req.json<{ match: string }>();
  const { results } = await c.env.DB.prepare(
    "SELECT n.* FROM notes_text AS t JOIN notes AS n ON n.id = t.rowid WHERE notes_text MATCH ?1 ORDER BY rank LIMIT 20",
  )
    .bind(match)
    .all();
  return c.json(results);
});

app.post("/seed-notes", async (c) => {
  const { bodies } = await c.req.json<{ bodies: string[] }>();
  await c.env.DB.batch([
    c.env.DB.prepare("INSERT INTO notes (body, created_at) SELECT value, ?2 FROM json_each(?1)").bind(
      JSON.stringify(bodies),
      Date.now(),
    ),
    c.env.DB.prepare("INSERT INTO notes_text (rowid, body) SELECT id, body FROM notes ORDER BY id DESC LIMIT ?1").bind(
      bodies.length,
    ),
  ]);
  return c.json(null);
});

app.post("/files", async (c) => {
  const key = crypto.randomUUID();
  const type = c.req.header("content-type");
  await c.env.FILES.put(key, c.req.raw.body, type === undefined ? {} : { httpMetadata: { contentType: type } });
  return c.json({ key });
});

app.get("/files/:key", async (c) => {
  const object = await c.env.FILES.get(c.req.param("key"));
  if (object === null) return c.notFound();
  const headers = { "content-type": object.httpMetadata?.contentType ?? "", etag: object.httpEtag };
  return c.body(object.body, 200, headers);
});

/** For the bench itself: D1 takes 100 parameters per statement. */
app.post("/seed", async (c) => {
  const { messages: all } = await c.req.json<{ messages: { channel: string; author: string; body: string }[] }>();
  const insert = c.env.DB.prepare(
    "INSERT INTO messages (channel, author, body, created_at) SELECT j.value ->> 'channel', j.value ->> 'author', j.value ->> 'body', ?2 FROM json_each(?1) AS j",
  );
  await insert.bind(JSON.stringify(all), Date.now()).run();
  return c.json(null);
});

app.post("/create", async (c) => {
  const { names } = await c.req.json<{ names: string[] }>();
  await c.env.DB.prepare("INSERT INTO counters (name, value) SELECT j.value, 0 FROM json_each(?1) AS j")
    .bind(JSON.stringify(names))
    .run();
  return c.json(null);
});

app.post("/total", async (c) => {
  const [row] = await drizzle(c.env.DB)
    .select({ total: sql<number>`sum(${counters.value})` })
    .from(counters);
  return c.json(row?.total ?? 0);
});

export default app;
