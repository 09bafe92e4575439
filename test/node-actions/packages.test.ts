import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { analyzeResponse, nodeServiceError } from "../../src/protocol/node-actions.ts";
import { codePackage, zipped, type CodePackage } from "../support/node-service/code-package.ts";
import { MIB, NodeService } from "../support/node-service/node-service.ts";

let service: NodeService;

beforeEach(async () => {
  service = await NodeService.start();
});

afterEach(() => service.close());

/** A package whose action answers with `name`. Incompressible `padding` bytes make it large. */
function named(name: string, padding = 0): Promise<CodePackage> {
  const filling = Array.from({ length: padding }, (_, i) => String.fromCharCode(97 + ((i * i * 7919 + i) % 26))).join(
    "",
  );
  return codePackage({ main: `${text(name)} export const filling = ${JSON.stringify(filling)};` });
}

function text(name: string): string {
  return `"use node"; import { actionGeneric } from "convex/server";
    export const main = actionGeneric(async () => ${JSON.stringify(name)});`;
}

function entries(): string[] {
  return readdirSync(join(service.cache, "entries"));
}

/** A different environment takes another process. */
let environments = 0;

function freshCall(code: CodePackage) {
  return { function: "main", package: code, variables: { FRESH: String(environments++) } };
}

test("NODE8 a package is fetched once, by calls at the same time and after a restart", async () => {
  const code = await named("once");
  const calls = Array.from({ length: 5 }, () => service.value(freshCall(code)));
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 5 }, () => "once"));
  expect(await service.value(freshCall(code))).toBe("once");
  expect(service.worker.packageRequests).toBe(1);
  await service.restart();
  expect(await service.value(freshCall(code))).toBe("once");
  expect(service.worker.packageRequests).toBe(1);
});

test("NODE20 a call finds the process that was got ready for its deployment, with the modules evaluated", async () => {
  const code = await codePackage({
    main: `"use node"; import { actionGeneric } from "convex/server";
      console.log("evaluated");
      export const main = actionGeneric(async () => process.env.WHICH);`,
  });
  const call = { function: "main", package: code, variables: { WHICH: "ready" } };
  const { package: pkg, variables, limits } = service.request(call);
  const process = { variables, memoryBytes: limits.memoryBytes, modules: ["main.js"], timeoutMs: 30_000 };
  const prepared = await service.post("/prepare", { v: 1, package: pkg, process });
  expect(prepared.status).toBe(204);
  const outcome = await service.execute(call);
  if (outcome.kind !== "result") throw new Error(outcome.kind);
  expect(outcome.result).toEqual({ ok: true, value: '"ready"' });
  expect(outcome.events.filter(({ kind }) => kind === "log")).toEqual([]);
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  expect(metrics).toContain('convection_node_starts_total{kind="warm"} 1');
  expect(metrics).not.toContain('convection_node_starts_total{kind="cold"} 1');
});

test("NODE20 a module that fails while a process is got ready fails nothing but its calls", async () => {
  const code = await codePackage({ main: `"use node"; throw new Error("at import");`, other: text("fine") });
  const { package: pkg, variables, limits } = service.request({ function: "main", package: code });
  const process = { variables, memoryBytes: limits.memoryBytes, modules: ["main.js"], timeoutMs: 30_000 };
  expect((await service.post("/prepare", { v: 1, package: pkg, process })).status).toBe(204);
  expect(await service.value({ function: "main", module: "other.js", package: code, variables })).toBe("fine");
});

test("D-5 a damaged, truncated or half-removed package is thrown away and fetched again", async () => {
  const code = await named("whole");
  expect(await service.value(freshCall(code))).toBe("whole");
  const directory = join(service.cache, "entries", code.hash);
  const damages = [
    () => writeFileSync(join(directory, "modules/main.js"), "throw new Error('damaged')"),
    () => writeFileSync(join(directory, "manifest.json"), "{"),
    () => rmSync(join(directory, "modules"), { recursive: true }),
    () => rmSync(directory, { recursive: true }),
    () => writeFileSync(join(directory, "modules/main.js"), ""),
  ];
  for (const [i, damage] of damages.entries()) {
    damage();
    if (i === damages.length - 1) await service.restart();
    expect(await service.value(freshCall(code))).toBe("whole");
    expect(service.worker.packageRequests).toBe(i + 2);
  }
});

test("D-5 a package that is not what its hash says is refused and leaves nothing behind", async () => {
  const code = await named("right");
  const other = await named("wrong");
  const request = { function: "main", package: { hash: code.hash, zip: other.zip } };
  expect(await service.execute(request)).toMatchObject({
    kind: "refused",
    status: 502,
    error: { code: "PackageDamaged", retryable: true },
  });
  expect(entries()).toEqual([]);
  expect(readdirSync(join(service.cache, "temporary"))).toEqual([]);
  expect(await service.value({ function: "main", package: code })).toBe("right");
});

test("NODE9 packages with files outside of them, or that are no zip, are refused", async () => {
  const bytes = new TextEncoder().encode("export {}");
  for (const code of [zipped({ "../../escaped.js": bytes }), zipped({ "/escaped.js": bytes })]) {
    expect(await service.execute({ function: "main", package: code })).toMatchObject({
      status: 422,
      error: { code: "PackageNotReadable" },
    });
  }
  expect(existsSync(join(service.cache, "escaped.js"))).toBe(false);
});

test("NODE10 the packages unused longest leave when the cache is full, after a restart too", async () => {
  const codes = await Promise.all(["a", "b", "c", "d"].map((name) => named(name, 300_000)));
  const [a, b, c, d] = codes as [CodePackage, CodePackage, CodePackage, CodePackage];
  await service.restart({ CONVECTION_NODE_CACHE_BYTES: String(Math.floor(1.2 * MIB)) });
  for (const code of [a, b, c]) await service.value(freshCall(code));
  await service.value(freshCall(a));
  await service.value(freshCall(d));
  expect(entries()).toContain(a.hash);
  expect(entries()).not.toContain(b.hash);
  await service.restart({ CONVECTION_NODE_CACHE_BYTES: "1" });
  // One that is needed is used however little there is.
  expect(await service.value(freshCall(b))).toBe("b");
  expect(entries()).toEqual([b.hash]);
});

test("P-F-11 external packages are installed once, native ones too", { timeout: 240_000 }, async () => {
  const source = `"use node"; import { actionGeneric } from "convex/server"; import isOdd from "is-odd"; import sharp from "sharp";
    export const main = actionGeneric(async () => {
      const png = await sharp({ create: { width: 3, height: 2, channels: 3, background: "red" } }).png().toBuffer();
      return [isOdd(3), (await sharp(png).metadata()).width];
    });`;
  const code = await codePackage({ main: source }, ["is-odd", "sharp"]);
  const externals = [
    { name: "is-odd", version: "3.0.1" },
    { name: "sharp", version: "0.34.1" },
  ];
  const prepared = await service.post("/prepare", {
    v: 1,
    package: service.request({ function: "main", package: code, externals }).package,
  });
  expect([prepared.status, await prepared.text()]).toEqual([204, ""]);
  expect(await service.value({ ...freshCall(code), externals })).toEqual([true, 3]);
  const next = await codePackage({ main: `${source}\nexport const more = 1;` }, ["is-odd", "sharp"]);
  expect(await service.value({ ...freshCall(next), externals: externals.toReversed() })).toEqual([true, 3]);
  expect(service.spawned.stderr.match(/external packages installed/g)).toHaveLength(1);
});

test("P-F-11 an external package that can't be installed is named", { timeout: 120_000 }, async () => {
  const code = await named("x");
  const externals = [
    { name: "is-odd", version: "3.0.1" },
    { name: "is-number", version: "999.0.0" },
  ];
  const outcome = await service.execute({ function: "main", package: code, externals });
  expect(outcome).toMatchObject({ status: 422, error: { code: "ExternalPackagesFailed", retryable: false } });
  if (outcome.kind !== "refused") throw new Error("not refused");
  expect(outcome.error.message).toMatch(/^Installing external package is-number@999\.0\.0 failed on linux-/);
  const forged = [{ name: "is-odd", version: "file:/etc" }];
  expect(await service.execute({ function: "main", package: code, externals: forged })).toMatchObject({ status: 422 });
  expect(entries()).toEqual([]);
});

test("P-F-10 the version of Node that convex.json asks for or the next newer one is used, or it is named as missing", async () => {
  const code = await named("x");
  const own = process.versions.node.split(".")[0] ?? "";
  expect(await service.value({ function: "main", package: code, nodeVersion: own })).toBe("x");
  expect(Number(own)).toBeGreaterThan(22);
  expect(await service.value({ function: "main", package: code, nodeVersion: "22" })).toBe("x");
  const outcome = await service.execute({ function: "main", package: code, nodeVersion: "18" });
  expect(outcome).toMatchObject({
    status: 422,
    error: { code: "NodeVersionNotInstalled", message: expect.stringMatching(/^Node\.js 18, which/), retryable: false },
  });
});

test("NODE11 analysis tells functions, and what fails while modules are evaluated", async () => {
  const code = await codePackage({
    main: `"use node"; import { actionGeneric, internalActionGeneric, queryGeneric } from "convex/server"; import { v } from "convex/values";
      export const a = actionGeneric({ args: { n: v.number() }, returns: v.null(), handler: async () => null });
      export const b = internalActionGeneric(async () => process.env.VALUE);
      export default queryGeneric(async () => 1); export const helper = () => 1;`,
    "dir/broken": `"use node"; console.log("printed"); throw new TypeError("at import");`,
    endless: `"use node"; for (;;);`,
  });
  const analyze = async (modules: readonly string[], timeoutMs = 5000) => {
    const { package: pkg } = service.request({ function: "", package: code });
    const body = { v: 1, package: pkg, modules, variables: { VALUE: "v" }, timeoutMs };
    return analyzeResponse.parse(await (await service.post("/analyze", body)).json());
  };
  expect(await analyze(["main.js"])).toEqual({
    ok: true,
    modules: [
      {
        path: "main.js",
        functions: [
          {
            name: "a",
            kind: "Action",
            visibility: "public",
            args: '{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}',
            returns: '{"type":"null"}',
          },
          { name: "b", kind: "Action", visibility: "internal", args: '{"type":"any"}', returns: null },
          { name: "default", kind: "Query", visibility: "public", args: '{"type":"any"}', returns: null },
        ],
        httpRoutes: null,
        crons: null,
      },
    ],
  });
  expect(await analyze(["main.js", "dir/broken.js"])).toMatchObject({
    ok: false,
    path: "dir/broken.js",
    error: { name: "TypeError", message: "at import", stack: expect.stringContaining("dir/broken.js:") },
    logs: [{ level: "LOG", messages: ["'printed'"] }],
  });
  expect(await analyze(["endless.js"], 500)).toMatchObject({
    ok: false,
    path: "endless.js",
    text: "Function execution timed out (maximum duration: 0.5s)",
  });
});

test("NODE12 a package that can't be fetched is a refusal that may be tried again", async () => {
  const code = await named("x");
  const request = service.request({ function: "main", package: code });
  service.worker.packages.clear();
  const response = await service.post("/execute", request);
  expect([response.status, nodeServiceError.parse(await response.json())]).toMatchObject([
    502,
    { code: "PackageNotFetched" },
  ]);
  // Nothing was started, so the same execution may come again.
  service.worker.packages.set(code.hash, code.zip);
  expect(await service.outcome(await service.post("/execute", request))).toMatchObject({ result: { ok: true } });
});
