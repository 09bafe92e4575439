import { describe, expect, test } from "vitest";
import { deprecation, parseClientVersion } from "../../../src/http/client-version.ts";
import { backend } from "./backend.ts";

const CALL = { path: "m:f", args: {} };

describe("the client's version", () => {
  test.each([
    ["npm-1.48.0", "npm", "1.48.0"],
    ["npm-cli-1.48.0", "npm-cli", "1.48.0"],
    ["npm-1.0.0-alpha.1", "npm", "1.0.0-alpha.1"],
    ["npm-1.0.0-rc-1-2", "npm", "1.0.0-rc-1-2"],
    ["kotlin-0.4.1+build", "kotlin", "0.4.1+build"],
    ["npm-next", "npm", "next"],
  ])("VER1 %s is %s at %s", (header, client, version) => {
    expect(parseClientVersion(header)).toMatchObject({ client, version });
  });

  test.each([
    ["npm-0.19.0", "Unsupported"],
    ["npm-0.19.1", "Unsupported"],
    ["npm-0.19.1-alpha.1", "Unsupported"],
    ["npm-0.19.2", undefined],
    ["npm-0.19.2-alpha.1", undefined],
    ["npm-1.48.0", undefined],
    ["npm-cli-0.10.0", "Unsupported"],
    ["actions-0.19.1", "Unsupported"],
    ["npm-next", "Unsupported"],
    ["python-0.0.2", "Unsupported"],
    ["python-0.0.3", "UpgradeRequired"],
    ["python-0.1.9", "UpgradeRequired"],
    ["python-0.2.0", "UpgradeRequired"],
    ["python-0.2.1", undefined],
    ["rust-0.0.1", "Unsupported"],
    ["rust-0.10.4", undefined],
    ["dashboard-0.0.0", undefined],
    ["somebody-next", undefined],
    ["constructor-next", undefined],
  ])("VER2 %s: %s", (header, state) => {
    expect(deprecation(parseClientVersion(header))?.state).toBe(state);
  });

  test("VER3 H29 an unsupported client is refused and told so twice", async () => {
    const { functions, post } = backend();
    const response = await post("/api/query", CALL, { "convex-client": "npm-0.19.0" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "ClientVersionUnsupported" });
    expect(response.headers.get("x-convex-deprecation-state")).toBe("Unsupported");
    expect(response.headers.get("x-convex-deprecation-message")).toMatch(/^[\x20-\x7e]+$/);
    expect(functions.calls).toEqual([]);
  });

  test("VER3 H30 a deprecated client is served and warned", async () => {
    const response = await backend().post("/api/query", CALL, { "convex-client": "python-0.1.9" });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-convex-deprecation-state")).toBe("UpgradeRequired");
    expect(response.headers.get("x-convex-deprecation-message")).toMatch(/^[\x20-\x7e]+$/);
  });

  test("VER3 H31 a header without a version is refused on every route", async () => {
    const { request } = backend();
    for (const path of ["/version", "/api/query", "/api/unknown"]) {
      const response = await request(path, { headers: { "convex-client": "foo" } });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "InvalidClientVersion" });
    }
  });

  test("VER4 a current client and no client at all get no such headers", async () => {
    for (const headers of [{ "convex-client": "npm-1.48.0" }, undefined]) {
      const response = await backend().post("/api/query", CALL, headers);
      expect(response.status).toBe(200);
      expect(response.headers.get("x-convex-deprecation-state")).toBeNull();
    }
  });
});
