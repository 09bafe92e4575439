import { defineConfig } from "drizzle-kit";

/** `drizzle-kit generate` compares the schema with `migrations/meta` and writes the next migration. */
export default defineConfig({
  dialect: "sqlite",
  schema: "./src/persistence/d1/schema.ts",
  out: "./migrations",
});
