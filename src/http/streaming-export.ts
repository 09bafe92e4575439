import { Hono } from "hono";
import { streamingExportBody } from "../protocol/http-bodies.ts";
import { badRequest } from "../shared/coded-error.ts";
import { documentSchema, parseShapes } from "../system/json-schema.ts";
import type { ExportedVersion, TableChoice } from "../transfer/streaming-export.ts";
import { readJson } from "./body.ts";
import { adminOf } from "./credentials.ts";
import { formatText, responseFormat } from "./formats.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/**
 * Under `/api`: what connectors of data warehouses copy a deployment by, https://docs.convex.dev/streaming-export-api.
 * Parameters come in the query of a GET or in the body of a POST. Timestamps are integers of nanoseconds.
 */
export function streamingExportRoutes(services: HttpServices): Hono<HttpEnv> {
  const { dashboard, streamingExport, settings } = services;
  const app = new Hono<HttpEnv>();

  const parameters = async (c: HttpContext): Promise<Record<string, string>> => {
    await adminOf(c, services);
    if (c.req.method === "GET") return c.req.query();
    const body = await readJson(c.req.raw, streamingExportBody, settings.functionBodyBytes);
    return Object.fromEntries(
      Object.entries(body).flatMap(([name, value]) => (value == null ? [] : [[name, `${value}`]])),
    );
  };

  app.on(["GET", "POST"], "/list_snapshot", async (c) => {
    const given = await parameters(c);
    const format = responseFormat(given["format"], "json");
    const page = await streamingExport.listSnapshot(
      integerOf(given, "snapshot"),
      given["cursor"] ?? null,
      choiceOf(given),
    );
    const values = page.versions.map((version) => rowOf(version, "", formatText(version.json ?? "{}", format)));
    const { snapshot, cursor } = page;
    return answer(c, values, `"snapshot":${snapshot},"cursor":${JSON.stringify(cursor)},"hasMore":${cursor !== null}`);
  });

  app.on(["GET", "POST"], "/document_deltas", async (c) => {
    const given = await parameters(c);
    const format = responseFormat(given["format"], "json");
    const after = integerOf(given, "cursor");
    if (after === null) throw badRequest("DocumentDeltasCursorRequired", "/api/document_deltas requires a cursor");
    const { versions, cursor, hasMore } = await streamingExport.documentDeltas(after, choiceOf(given));
    const values = versions.map((version) => {
      const text = version.json === null ? `{"_id":${JSON.stringify(version.id)}}` : formatText(version.json, format);
      return rowOf(version, `,"_deleted":${version.json === null}`, text);
    });
    return answer(c, values, `"cursor":${cursor},"hasMore":${hasMore}`);
  });

  app.get("/json_schemas", async (c) => {
    const identity = await adminOf(c, services);
    const { format, deltaSchema, component = "" } = c.req.query();
    if (responseFormat(format, "json") !== "json") throw badRequest("BadFormat", "Schemas are of the format `json`.");
    const shapes = await dashboard.shapes(identity, component);
    if (!shapes.ok) throw badRequest("SchemasUnavailable", shapes.error.message);
    const schemas = [...parseShapes(shapes.value)].map(
      ([table, shape]) => [table, documentSchema(shape, deltaSchema === "true")] as const,
    );
    return c.json(Object.fromEntries(schemas));
  });

  app.get("/test_streaming_export_connection", async (c) => {
    await adminOf(c, services);
    return c.body(null, 200);
  });
  return app;
}

/** Fields of a user never begin with an underscore. `document`: JSON text of an object that is not empty. */
function rowOf({ component, table, ts }: ExportedVersion, more: string, document: string): string {
  const names = `"_component":${JSON.stringify(component)},"_table":${JSON.stringify(table)}`;
  return `{${names},"_ts":${ts}${more},${document.slice(1)}`;
}

function answer(c: HttpContext, values: readonly string[], rest: string): Response {
  return c.body(`{"values":[${values.join(",")}],${rest}}`, 200, { "Content-Type": "application/json" });
}

function choiceOf({ tableName, component }: Record<string, string>): TableChoice {
  return { table: tableName ?? null, component: component ?? null };
}

function integerOf(given: Record<string, string>, name: string): bigint | null {
  const text = given[name];
  if (text === undefined || text === "") return null;
  if (!/^\d{1,19}$/.test(text)) throw badRequest("InvalidTimestamp", `\`${name}\` must be an integer of nanoseconds.`);
  return BigInt(text);
}
