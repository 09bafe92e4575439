import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { ROOT } from "../../support/paths.ts";
import { Api } from "../runtime/api.ts";

let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  backend = await startBackend();
  api = new Api(backend);
});
afterAll(async () => {
  await backend?.stop();
});

const HEAD = `import { action, query, mutation } from "./_generated/server";\n`;
/** The command line takes as external what the app's own package.json names; its version is the installed one. */
const WITH_SHARP = {
  "package.json": `{ "name": "app", "type": "module", "dependencies": { "convex": "1.48.0", "sharp": "*" } }`,
  "convex.json": JSON.stringify({ node: { externalPackages: ["sharp"] } }),
};
const VERSION = (marker: string) =>
  `"use node";\n${HEAD}let calls = 0;\nexport const get = action({ args: {}, handler: async () => ["${marker}", ++calls] });\n`;

describe("what may be pushed", () => {
  test("S0-28 S1-18 E-D-3 a query or a mutation in a Node file fails the push by name, and nothing is deployed", async () => {
    using app = new ConvexApp({ "convex/kept.ts": `${HEAD}export const a = query({ args: {}, handler: () => 1 });\n` });
    await app.deploy(backend);
    for (const kind of ["query", "mutation"] as const) {
      app.write({
        "convex/mail.ts": `"use node";\n${HEAD}export const list = ${kind}({ args: {}, handler: () => 1 });\n`,
        "convex/added.ts": `${HEAD}export const b = query({ args: {}, handler: () => 2 });\n`,
      });
      const capital = kind === "query" ? "Query" : "Mutation";
      expect(await app.failedDeploy(backend)).toContain(
        `\`list\` defined in \`mail.js\` is a ${capital} function. Only actions can be defined in Node.js. See https://docs.convex.dev/functions/actions for more details.`,
      );
      expect(await api.value("query", "kept:a")).toBe(1);
      expect(await api.error("query", "added:b")).toContain("Could not find public function");
    }
  });

  test("E-D-8 a Node module that throws on load fails the push with its error and the line of the source", async () => {
    using app = new ConvexApp({ "convex/bad.ts": `"use node";\n${HEAD}\nthrow new TypeError("at load");\n` });
    const error = await app.failedDeploy(backend);
    expect(error).toContain("Failed to analyze bad.js: at load");
    expect(error).toContain("../convex/bad.ts:4:7");
  });

  test("S0-47 module state begins anew after a push, and the next call runs the new code", async () => {
    using app = new ConvexApp({ "convex/version.ts": VERSION("one") });
    await app.deploy(backend);
    const first = await api.value("action", "version:get");
    expect(first[0]).toBe("one");
    await api.value("action", "version:get");
    app.write({ "convex/version.ts": VERSION("two") });
    await app.deploy(backend);
    expect(await api.value("action", "version:get")).toEqual(["two", 1]);
  });

  test("S0-2 shared code of both runtimes lies in chunks of each", async () => {
    using app = new ConvexApp({
      "convex/shared.ts": `export const shared = (n: number) => n * 2;\n`,
      "convex/inNode.ts": `"use node";\nimport { hostname } from "node:os";\nimport { shared } from "./shared";\n${HEAD}export const a = action({ args: {}, handler: async () => [typeof hostname(), shared(2)] });\n`,
      "convex/alsoNode.ts": `"use node";\nimport { shared } from "./shared";\n${HEAD}export const a = action({ args: {}, handler: async () => shared(3) });\n`,
      "convex/inIsolate.ts": `import { shared } from "./shared";\n${HEAD}export const a = action({ args: {}, handler: async () => shared(4) });\n`,
    });
    await app.deploy(backend);
    expect(await api.value("action", "inNode:a")).toEqual(["string", 4]);
    expect(await api.value("action", "alsoNode:a")).toBe(6);
    expect(await api.value("action", "inIsolate:a")).toBe(8);
  });
});

describe("node.* of convex.json", () => {
  test("P-F-10 P-E-4 nodeVersion: the one that runs is honoured, older ones run on it, one that Convex has not is refused by name", async () => {
    const source = `"use node";\n${HEAD}export const get = action({ args: {}, handler: async () => process.version });\n`;
    const major = process.versions.node.split(".")[0];
    using app = new ConvexApp({ "convex/version.ts": source });
    app.write({ "convex.json": JSON.stringify({ node: { nodeVersion: major } }) });
    await app.deploy(backend);
    expect(await api.value("action", "version:get")).toMatch(new RegExp(`^v${major}\\.`));
    app.write({ "convex.json": JSON.stringify({ node: { nodeVersion: "20" } }) });
    await app.deploy(backend);
    expect(await api.value("action", "version:get")).toMatch(new RegExp(`^v${major}\\.`));
    app.write({ "convex.json": JSON.stringify({ node: { nodeVersion: "18" } }) });
    expect(await app.failedDeploy(backend)).toMatch(/Node(\.js)?.*18/);
    expect(await api.value("action", "version:get")).toMatch(new RegExp(`^v${major}\\.`));
  });

  test("P-F-11 P-E-4 D-18 a native module works through externalPackages", async () => {
    using app = new ConvexApp({
      ...WITH_SHARP,
      "convex/images.ts": `"use node";
import sharp from "sharp";
${HEAD}export const size = action({ args: {}, handler: async () => {
  const png = await sharp({ create: { width: 8, height: 4, channels: 3, background: "red" } }).png().toBuffer();
  const { width, height, format } = await sharp(png).metadata();
  return [width, height, format];
} });
`,
    });
    await app.deploy(backend);
    expect(await api.value("action", "images:size")).toEqual([8, 4, "png"]);
    // Nothing is installed again when only the code changes.
    app.write({ "convex/other.ts": VERSION("again") });
    await app.deploy(backend);
    expect(await api.value("action", "images:size")).toEqual([8, 4, "png"]);
  }, 300_000);

  test("P-F-11 D-18 an external package that can't be installed fails the push by name", async () => {
    using app = new ConvexApp({
      ...WITH_SHARP,
      "convex/images.ts": `"use node";\nimport sharp from "sharp";\n${HEAD}export const a = action({ args: {}, handler: async () => typeof sharp });\n`,
    });
    withPackage(app, "sharp", "99.0.0");
    const error = await app.failedDeploy(backend);
    expect(error).toContain("sharp@99.0.0");
    expect(error).toContain("Hit an error while pushing");
  }, 300_000);
});

/** Gives the app a node_modules of its own in which one package says that it has another version. */
function withPackage(app: ConvexApp, name: string, version: string): void {
  const own = join(app.path, "node_modules");
  rmSync(own);
  mkdirSync(own);
  const theirs = join(ROOT, "node_modules");
  for (const entry of readdirSync(theirs)) {
    if (entry !== name) symlinkSync(join(theirs, entry), join(own, entry));
  }
  cpSync(join(theirs, name), join(own, name), { recursive: true });
  const manifest = join(own, name, "package.json");
  if (!existsSync(manifest)) throw new Error(`${name} is not installed`);
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, "utf8")), version }));
}

test("E-D-6 without a Node service a push of a Node file is refused and names NODE_ACTIONS_URL; calls of others work", async () => {
  await using bare = await startBackend({ args: ["--no-node-actions"] });
  expect(bare.nodeActionsUrl).toBeNull();
  using app = new ConvexApp({ "convex/version.ts": VERSION("none") });
  const error = await app.failedDeploy(bare);
  expect(error).toContain('Deployment is not configured to deploy "use node" actions.');
  expect(error).toContain("NODE_ACTIONS_URL");
  app.write({ "convex/version.ts": `${HEAD}export const a = query({ args: {}, handler: () => 1 });\n` });
  await app.deploy(bare);
  expect(await new Api(bare).value("query", "version:a")).toBe(1);
});
