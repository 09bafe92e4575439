import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** What a team would write by hand for the same app: one table, one index, plain rows. */
export const messages = sqliteTable(
  "messages",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    channel: text("channel").notNull(),
    author: text("author").notNull(),
    body: text("body").notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (table) => [
    index("messages_by_channel").on(table.channel, table.createdAt),
    index("messages_by_author").on(table.author, table.createdAt),
    index("messages_by_body").on(table.body, table.createdAt),
  ],
);

export const counters = sqliteTable("counters", {
  name: text("name").primaryKey(),
  value: integer("value").notNull(),
});
