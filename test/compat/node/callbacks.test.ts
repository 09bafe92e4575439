import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import { anyApi, type FunctionReference } from "convex/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { derivedSigningKeys } from "../../../src/signing/derived-keys.ts";
import { parseSigningKeys } from "../../../src/signing/keys.ts";
import { signRequest } from "../../../src/signing/sign.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { Issuer } from "../../support/issuer.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually } from "../../support/scheduled-jobs.ts";
import { Api } from "../runtime/api.ts";

const [SECRET, PREVIOUS, STRANGER] = [1, 2, 3].map(() => randomBytes(32).toString("hex")) as [string, string, string];
const SYSCALL = "/api/node/syscall";
const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };

let issuer: Issuer;
let app: AppCopy;
let backend: TestBackend;

beforeAll(async () => {
  issuer = await Issuer.start();
  app = new AppCopy(join(FIXTURES, "node-auth-app"));
  backend = await startBackend({ env: { CONVECTION_SECRET: SECRET, CONVECTION_SECRET_PREVIOUS: PREVIOUS } });
  await convex(app.path, backend, ["env", "set", "ISSUER", issuer.url]);
  const { code, stderr } = await convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
  if (code !== 0) throw new Error(stderr);
});
afterAll(async () => {
  await backend?.stop();
  await issuer?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
});

describe("identity", () => {
  test.each(["node.identities", "users.relay"])(
    "S0-18 S0-19 P-A-5 %s: a user is the same in a Node action and in what it calls, and nobody in a component",
    async (name) => {
      const [module = "", exported = ""] = name.split(".");
      const called = anyApi[module]![exported]! as unknown as FunctionReference<"action">;
      const client = new ConvexHttpClient(backend.url);
      const nobody = { own: null, query: null, nested: null, component: null };
      expect(await client.action(called, {})).toEqual(nobody);
      client.setAuth(await issuer.token({ sub: "u1", given_name: "Ada" }));
      const { own, query, nested, component } = await client.action(called, {});
      expect(own).toMatchObject({ subject: "u1", issuer: issuer.url, givenName: "Ada" });
      expect([query, nested, component]).toEqual([own, own, null]);
    },
  );

  test("P-A-5 P-S-8 what a Node action of a user calls knows the user; what it schedules knows nobody", async () => {
    const client = new ConvexHttpClient(backend.url);
    client.setAuth(await issuer.token({ sub: "u3" }));
    await client.action(anyApi.node!.everywhere!, { run: "u3" });
    const seen = await eventually(async () => {
      const found: Record<string, { subject: string } | null> = await client.query(anyApi.users!.seen!, { run: "u3" });
      return Object.keys(found).length === 8 ? found : null;
    });
    expect(Object.fromEntries(Object.entries(seen).map(([place, who]) => [place, who?.subject ?? null]))).toEqual({
      mutation: "u3",
      "default action": "u3",
      "node action": "u3",
      "mutation of node action": "u3",
      "scheduled mutation": null,
      "scheduled default action": null,
      "scheduled node action": null,
      "mutation of scheduled node action": null,
    });
  });

  test("P-A-5 the token of the request reaches no line of the log and no error", async () => {
    const token = await issuer.token({ sub: "u2" });
    const client = new ConvexHttpClient(backend.url);
    client.setAuth(token);
    await client.action(anyApi.node!.identities!, {});
    await client.action(anyApi.node!.fails!, {}).catch(() => undefined);
    expect(backend.logs).not.toContain(token.split(".")[2]);
  });
});

interface Sent {
  readonly secret?: string;
  readonly method?: "GET" | "POST";
  readonly path?: string;
  /** What is sent when it is not what was signed. */
  readonly sentBody?: string;
  readonly at?: number;
}

async function signed(body: string, options: Sent = {}): Promise<() => Promise<Response>> {
  const { secret = SECRET, method = "POST", path = SYSCALL, at = Date.now() } = options;
  const { signing } = await parseSigningKeys(await derivedSigningKeys([secret]));
  const url = `${backend.url}${path}`;
  const bytes = new TextEncoder().encode(body);
  const headers = await signRequest(
    { direction: "to-worker", method, url, body: bytes },
    signing,
    { now: () => at },
    random,
  );
  return () =>
    fetch(url, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(method === "POST" ? { body: options.sentBody ?? body } : {}),
    });
}

const syscall = (token: string) =>
  JSON.stringify({ v: 1, token, op: "1.0/actions/query", args: JSON.stringify({ name: "users:who", args: {} }) });

describe("who may ask", () => {
  test("E-G-8 a signed operation without the token of a running execution is refused with the text of Convex", async () => {
    for (const token of ["", "x", "A".repeat(200)]) {
      const response = await (await signed(syscall(token)))();
      expect([response.status, await response.json()]).toEqual([
        400,
        {
          code: "InvalidSyscall",
          message:
            "Invalid syscall. The Convex syscalls are for internal Convex use and should not be called directly.",
        },
      ]);
    }
  });

  test("E-G-8 NODE1 what is unsigned, altered, old, of another key or sent twice is a 401", async () => {
    const status = async (send: () => Promise<Response>) => (await send()).status;
    const body = syscall("x");
    const plain = () =>
      fetch(`${backend.url}${SYSCALL}`, { method: "POST", headers: { "content-type": "application/json" }, body });
    expect(await status(plain)).toBe(401);
    expect(await status(await signed(body, { secret: STRANGER }))).toBe(401);
    expect(await status(await signed(body, { sentBody: syscall("y") }))).toBe(401);
    expect(await status(await signed(body, { at: Date.now() - 10 * 60_000 }))).toBe(401);
    expect(await status(await signed(body, { at: Date.now() + 10 * 60_000 }))).toBe(401);
    const twice = await signed(body);
    expect([await status(twice), await status(twice)]).toEqual([400, 401]);
    await backend.process.until("stderr", /node_callback\.refused/);
  });

  test("NODE2 the key of the previous secret is accepted while a rotation is under way", async () => {
    expect((await (await signed(syscall("x"), { secret: PREVIOUS }))()).status).toBe(400);
  });

  test("NODE3 a package is given to nobody but the service", async () => {
    const path = `/api/node/packages/${"0".repeat(64)}`;
    expect((await fetch(`${backend.url}${path}`)).status).toBe(401);
    expect((await (await signed("", { method: "GET", path }))()).status).toBe(404);
  });
});

test("NODE4 a service that is not there, or answers nonsense, is a clear error, and the action did not run", async () => {
  const server = createServer((_request, response) => response.writeHead(200).end("<html>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // The code of the deployment, behind another service.
  const data = join(app.path, "data");
  using plain = new AppCopy(join(FIXTURES, "node-app"));
  const first = await startBackend({ data, app: plain.path });
  await first.stop();
  const second = await startBackend({ data, env: { NODE_ACTIONS_URL: url } });
  try {
    expect(second.nodeActionsUrl).toBe(url);
    expect(await new Api(second).error("action", "work:none")).toMatch(/^Transient error while executing action: /);
    server.close();
    server.closeAllConnections();
    const answer = await new Api(second).call("action", "work:none");
    expect([answer.http, answer.message]).toEqual([
      503,
      "The Node service could not be reached. Check that it runs and that NODE_ACTIONS_URL is its origin.",
    ]);
  } finally {
    await second.stop();
    server.close();
  }
});
