import { createHmac } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { ROOT } from "../../support/paths.ts";

test("P-H-4 the example's webhook takes what its sender signed, raw bytes and all, and stores it once", async () => {
  using app = new AppCopy(join(ROOT, "examples/tasks"));
  await using backend = await startBackend({ app: app.path });
  const body = `{ "project": "home",\n  "tasks": [{ "id": "7", "title": "Größe messen" }] }`;
  const post = async (secret: string) => {
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    const headers = { "x-signature": signature, "content-type": "application/json" };
    const response = await fetch(`${backend.siteUrl}/webhooks/tasks`, { method: "POST", headers, body });
    return [response.status, await response.text()];
  };
  expect(await post("s3cret")).toEqual([401, "wrong signature"]);
  expect(await convex(app.path, backend, ["env", "set", "WEBHOOK_SECRET", "s3cret"])).toMatchObject({ code: 0 });
  expect(await post("guess")).toEqual([401, "wrong signature"]);
  expect(await post("s3cret")).toEqual([200, '{"added":1}']);
  expect(await post("s3cret")).toEqual([200, '{"added":0}']);
});
