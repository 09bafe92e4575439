import { strFromU8, unzipSync } from "fflate";
import { expect, test } from "vitest";
import type { LoadedModule } from "../../../src/deploy/module-set.ts";
import { nodePackage } from "../../../src/deploy/node-package.ts";
import { body, module, registered } from "../../support/deploy/body.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";
import { PackageAnalyzer } from "../../support/deploy/package-analyzer.ts";
import { PushService } from "../../../src/deploy/push-service.ts";

const loaded = (path: string, source: string, environment: "isolate" | "node" = "node"): LoadedModule => ({
  definition: "",
  key: `app/${path}`,
  path,
  environment,
  hash: "",
  source,
  sourceMap: undefined,
  sourceMapKey: undefined,
});
const NONE = { nodeDependencies: [] };

test("NODE5 equal Node modules make equal bytes in whatever order they come, and only they are in the package", async () => {
  const modules = [loaded("b.js", "b"), loaded("dir/a.js", "a"), loaded("_deps/node/X.js", "x")];
  const one = await nodePackage([...modules, loaded("c.js", "c", "isolate")], NONE);
  const other = await nodePackage(modules.toReversed(), NONE);
  expect(one).toEqual(other);
  const files = Object.entries(unzipSync(one?.zip ?? new Uint8Array())).map(([path, bytes]) => [
    path,
    strFromU8(bytes),
  ]);
  expect(Object.fromEntries(files)).toEqual({ "b.js": "b", "dir/a.js": "a", "_deps/node/X.js": "x" });
  expect((await nodePackage([loaded("b.js", "b2"), ...modules.slice(1)], NONE))?.code.hash).not.toBe(one?.code.hash);
  expect(await nodePackage([loaded("c.js", "c", "isolate")], NONE)).toBeNull();
});

test("NODE6 a push records the package with its externals and warms the service; a dry run warms nothing", async () => {
  const deployment = new TestDeployment();
  const node = new PackageAnalyzer(deployment.code, deployment.analyzer);
  const service = new PushService({ ...deployment.ports, nodeAnalyzer: node });
  const request = {
    ...body({ changedModules: [module("mail.js", `export const send = ${registered("Action")};`, "node")] }),
    nodeDependencies: [
      { name: "sharp", version: "0.34.5" },
      { name: "a", version: "1.0.0" },
    ],
    nodeVersion: "24",
  };
  await service.startPush({ ...request, dryRun: true });
  expect(node.prepared).toEqual([]);
  await service.startPush(request);
  const [prepared] = node.prepared;
  expect(prepared).toMatchObject({
    externals: [
      { name: "a", version: "1.0.0" },
      { name: "sharp", version: "0.34.5" },
    ],
    nodeVersion: "24",
  });
  const zip = await deployment.code.package(prepared?.hash ?? "");
  expect(zip?.byteLength).toBe(prepared?.bytes);
  const app = [...deployment.bucket.objects].find(([key]) => key.startsWith("apps/"))?.[1];
  expect(JSON.parse(app ?? "{}")).toMatchObject({ node: { hash: prepared?.hash }, nodeVersion: "24" });
});
