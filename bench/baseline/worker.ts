import { desc, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { Hono } from "hono";
import { counters, messages } from "./schema.ts";

interface Bindings {
  readonly DB: D1Database;
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

app.post("/noop", async (c) => {
  await c.req.json();
  return c.json(null);
});

app.post("/action-query", async (c) => {
  const { id } = await c.req.json<{ id: number }>();
  const [row] = await drizzle(c.env.DB).select().from(messages).where(eq(messages.id, id));
  return c.json(row ?? null);
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
