import { Hono } from "hono";
import { requireWriteAccess } from "../auth/authorization.ts";
import { finishUploadBody, importIdBody } from "../protocol/http-bodies.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import { parseJson, parseShape, readBytes } from "./body.ts";
import { adminOf } from "./credentials.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import type { HttpServices } from "./services.ts";

/** Bytes of an answer to one part whose length is not declared. The CLI declares it. */
const UNDECLARED_PART_BYTES = 32 * 1024 * 1024;

/** Under `/api`: `npx convex import` and `npx convex export` (`cli.md` §2.11). */
export function transferRoutes(services: HttpServices): Hono<HttpEnv> {
  const { transfers, settings } = services;
  const app = new Hono<HttpEnv>();
  const writer = async (c: HttpContext): Promise<void> => requireWriteAccess(await adminOf(c, services));
  // The CLI names no content type.
  const body = async (c: HttpContext): Promise<unknown> =>
    parseJson(await readBytes(c.req.raw, settings.functionBodyBytes));

  app.post("/import/start_upload", async (c) => {
    await writer(c);
    return c.json({ uploadToken: transfers.startUpload() });
  });
  app.post("/import/upload_part", async (c) => {
    await writer(c);
    const [token = "", number = ""] = [c.req.query("uploadToken"), c.req.query("partNumber")];
    if (!/^\d+$/.test(number)) throw badRequest("InvalidPartNumber", "`partNumber` must be a number.");
    const { raw } = c.req;
    const isDeclared = raw.headers.has("content-length") && raw.body !== null;
    const part = isDeclared && raw.body !== null ? raw.body : await readBytes(raw, UNDECLARED_PART_BYTES);
    return c.json(await transfers.uploadPart(token, Number(number), part));
  });
  app.post("/import/finish_upload", async (c) => {
    await writer(c);
    const { uploadToken, partTokens, import: request } = parseShape(finishUploadBody, await body(c));
    const importId = await transfers.finishUpload(uploadToken, partTokens, {
      format: request.format,
      mode: request.mode,
      component: request.componentPath ?? "",
      table: request.tableName ?? null,
    });
    return c.json({ importId });
  });
  app.post("/perform_import", async (c) => {
    await writer(c);
    await transfers.performImport(parseShape(importIdBody, await body(c)).importId);
    return c.json(null);
  });
  app.post("/cancel_import", async (c) => {
    await writer(c);
    await transfers.cancelImport(parseShape(importIdBody, await body(c)).importId);
    return c.json(null);
  });
  app.post("/export/request/zip", async (c) => {
    await writer(c);
    await transfers.requestExport(c.req.query("includeStorage") === "true");
    return c.json(null);
  });
  app.get("/export/zip/:ts", async (c) => {
    await writer(c);
    const ts = c.req.param("ts");
    const found = /^\d{1,19}$/.test(ts) ? await transfers.openExport(BigInt(ts)) : null;
    if (found === null) throw new CodedError("NotFound", "ExportNotFound", `There is no export of timestamp ${ts}.`);
    return c.body(found.bytes, 200, {
      "Content-Type": "application/zip",
      "Content-Disposition": `attachment; filename=snapshot_${ts}.zip`,
    });
  });
  return app;
}
