import { expect, test } from "vitest";
import { ADMIN, backend } from "./backend.ts";

test.each(["/api/export/request/zip"])(
  "TOOLS1 %s is refused at once with what is missing, to admins alone",
  async (path) => {
    const { post } = backend();
    const refused = await post(path, {}, ADMIN);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      code: "NotAvailableYet",
      message: expect.stringContaining("is not available yet in Convection."),
    });
    expect((await post(path, {})).status).toBe(403);
  },
);
