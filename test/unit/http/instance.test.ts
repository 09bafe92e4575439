import { describe, expect, test } from "vitest";
import { ADMIN, ADMIN_KEY, backend, INSTANCE, READ_ONLY_KEY } from "./backend.ts";

describe("routes", () => {
  test.each([
    ["/instance_name", INSTANCE],
    ["/version", "0.1.0"],
    ["/instance_version", "0.1.0"],
  ])("HTTP13 H39 %s is bare text", async (path, text) => {
    const response = await backend().request(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    expect(await response.text()).toBe(text);
  });

  test("HTTP13 / says that the deployment is running", async () => {
    expect(await (await backend().request("/")).text()).toContain("running");
  });

  test("HTTP13 H40 /echo gives back the same bytes", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const megabyte = new Uint8Array(16 * bytes.length);
    for (let i = 0; i < 16; i++) megabyte.set(bytes, i * bytes.length);
    const response = await backend().request("/echo", { method: "POST", body: megabyte });
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(megabyte)).toBe(true);
    expect(await (await backend().request("/echo", { method: "POST" })).text()).toBe("");
  });

  test("HTTP13 /echo has a bound", async () => {
    const { request } = backend({ echoBodyBytes: 10 });
    const tooLong = { method: "POST", body: "x".repeat(11) };
    await expect(request("/echo", tooLong).then((response) => response.text())).rejects.toThrow("larger than 10");
    expect((await request("/echo", { ...tooLong, headers: { "content-length": "11" } })).status).toBe(413);
    expect(await (await request("/echo", { method: "POST", body: "x".repeat(10) })).text()).toBe("x".repeat(10));
  });

  test.each(["/unknown", "/api", "/api/unknown", "/api/query/more", "/api/deploy2", "/Version"])(
    "HTTP14 the unknown path %s is a bare 404",
    async (path) => {
      for (const method of ["GET", "POST"]) {
        const response = await backend().request(path, { method });
        expect([path, response.status, await response.text()]).toEqual([path, 404, ""]);
      }
    },
  );

  test.each([
    ["GET", "/api/mutation"],
    ["PUT", "/api/query"],
    ["GET", "/api/run/a/b"],
    ["DELETE", "/api/deploy2/start_push"],
    ["POST", "/api/check_admin_key"],
    ["POST", "/version"],
    ["GET", "/echo"],
    ["POST", "/"],
  ])("HTTP14 the wrong method %s %s is a bare 405", async (method, path) => {
    const response = await backend().request(path, { method });
    expect([response.status, await response.text()]).toEqual([405, ""]);
  });

  test("HTTP15 a base URL with a trailing slash works", async () => {
    const { functions, post, request } = backend();
    expect((await post("//api/function", { path: "m:f", args: {} }, ADMIN)).status).toBe(200);
    expect((await post("///api/run/m/f", { args: {} })).status).toBe(200);
    expect((await request("//version")).status).toBe(200);
    expect(functions.calls.map(({ call }) => call.path.module)).toEqual(["m.js", "m.js"]);
  });

  test("E-D-15 an app without HTTP actions says so, on both origins", async () => {
    const text = "This Convex deployment does not have HTTP actions enabled.";
    for (const method of ["GET", "POST", "OPTIONS"]) {
      for (const response of [
        await backend().request("/http/hello", { method }),
        await backend().site.request("http://127.0.0.1:3211/hello", { method }),
        await backend().site.request("http://127.0.0.1:3211/", { method }),
      ]) {
        expect([response.status, await response.text()]).toEqual([404, text]);
      }
    }
  });
});

describe("GET /api/check_admin_key", () => {
  test("KEY6 tells an admin what the key may do", async () => {
    const { request } = backend();
    expect(await (await request("/api/check_admin_key", { headers: ADMIN })).json()).toEqual({
      success: true,
      allowedOps: [],
      isReadOnly: false,
    });
    const readOnly = await request(`/api/check_admin_key?adminKey=${encodeURIComponent(READ_ONLY_KEY)}`);
    expect(await readOnly.json()).toMatchObject({ isReadOnly: true });
  });

  test("KEY6 refuses everybody else", async () => {
    const { request } = backend();
    expect((await request("/api/check_admin_key")).status).toBe(403);
    expect((await request(`/api/check_admin_key?adminKey=${encodeURIComponent(`${ADMIN_KEY}0`)}`)).status).toBe(401);
  });
});

describe.each(["/api/update_environment_variables", "/api/v1/update_environment_variables"])("POST %s", (path) => {
  const changes = [
    { name: "A", value: "1" },
    { name: "B", value: null },
  ];

  test("P-E-1 hands all changes over at once", async () => {
    const { post, ...state } = backend();
    const response = await post(path, { changes }, ADMIN);
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect(state.changes).toEqual(changes);
  });

  test("P-E-1 takes a change without a value for a removal, as older CLIs send it", async () => {
    const { post, ...state } = backend();
    expect((await post(path, { changes: [{ name: "A" }] }, ADMIN)).status).toBe(200);
    expect(state.changes).toEqual([{ name: "A", value: null }]);
  });

  test("P-E-1 is for admins and has a shape", async () => {
    const { post, ...state } = backend();
    expect((await post(path, { changes })).status).toBe(403);
    for (const body of [{}, { changes: [{ value: "" }] }, { changes: [{ name: 1, value: "" }] }]) {
      expect((await post(path, body, ADMIN)).status).toBe(400);
    }
    expect(state.changes).toEqual([]);
  });
});
