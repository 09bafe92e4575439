import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { StartPushBody } from "../../../src/deploy/push-body.ts";
import { must } from "../../../src/shared/assert.ts";
import { type CliSchemas, cliSchemas } from "../../support/deploy/cli-schemas.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";
import { pushRequest } from "../../support/deploy/push-request.ts";

let request: StartPushBody;
let schemas: CliSchemas;

beforeAll(async () => {
  [request, schemas] = await Promise.all([pushRequest("deploy-app"), cliSchemas()]);
}, 60_000);

async function deployed(): Promise<TestDeployment> {
  const deployment = new TestDeployment();
  await deployment.environment.update([{ name: "GREETING", value: "hello" }]);
  await deployment.push(request);
  return deployment;
}

describe("a push bundled by the official command line", () => {
  test("P-I-1 every answer passes the command line's own schemas", async () => {
    const deployment = new TestDeployment();
    await deployment.environment.update([{ name: "GREETING", value: "hello" }]);
    const { service } = deployment;
    schemas.evaluateSchemaResponse.parse(await service.evaluateSchema(request));
    schemas.evaluatePushResponse.parse(await service.evaluatePush(request));
    const start = await deployment.start(request);
    schemas.startPushResponse.parse(start);
    // As it comes back: through JSON and the client's schema.
    const echoed = JSON.parse(JSON.stringify(schemas.startPushResponse.parse(start)));
    schemas.schemaStatus.parse(await deployment.wait(echoed));
    const diff = schemas.finishPushDiff.parse(await deployment.finish(echoed));
    expect(diff).toMatchObject({
      componentDiffs: {
        "": { diffType: { type: "create" }, cronDiff: { added: ["sweep"] } },
        counter: { diffType: { type: "create" } },
        second: { diffType: { type: "create" } },
      },
    });
    expect(await service.reportPushCompleted({ adminKey: "x", spans: [] })).toBeNull();
  });

  test("DP1 the analysis lists functions, routes, crons, exports and schemas per definition", async () => {
    const deployment = new TestDeployment();
    await deployment.environment.update([{ name: "GREETING", value: "hello" }]);
    const start = JSON.parse(JSON.stringify(await deployment.start(request)));
    const app = start.analysis[""];
    const names = (module: string) => app.functions[module].functions.map((f: { name: string }) => f.name);
    expect(Object.keys(app.functions).toSorted()).toEqual(
      ["crons.js", "helpers.js", "http.js", "legacy.js", "messages.js", "nested/deep/tasks.js"].toSorted(),
    );
    expect(names("messages.js").toSorted()).toEqual(["list", "send", "sweep"]);
    expect(names("legacy.js").toSorted()).toEqual(["default", "touch"]);
    expect(names("helpers.js")).toEqual([]);
    const sweep = app.functions["messages.js"].functions.find((f: { name: string }) => f.name === "sweep");
    expect(sweep).toMatchObject({ udfType: "Mutation", visibility: { kind: "internal" } });
    expect(JSON.parse(must(sweep.args, "args"))).toEqual({ type: "object", value: {} });
    expect(app.functions["crons.js"].cronSpecs[0][0]).toBe("sweep");
    expect(app.functions["http.js"].httpRoutes.map((r: { route: object }) => r.route)).toEqual([
      { path: "/hello", method: "GET" },
      { path: "/files/*", method: "POST" },
    ]);
    expect(app.definition.envVars.map(([name]: [string]) => name)).toEqual(["GREETING", "MODE"]);
    expect(start.analysis["counter"].definition.exports).toEqual({
      type: "branch",
      branch: [
        [
          "public",
          {
            type: "branch",
            branch: [
              ["add", { type: "leaf", leaf: "_reference/function/public:add" }],
              ["read", { type: "leaf", leaf: "_reference/function/public:read" }],
            ],
          },
        ],
      ],
    });
    expect(start.app.childComponents.second).toMatchObject({ definitionPath: "counter", componentPath: "second" });
    expect(start.app.httpRoutes.mounts).toEqual(["/second/"]);
    expect(start.appAuth).toEqual([{ domain: "https://issuer.example.com", applicationID: "hello" }]);
  });

  test("DP2 no answer holds the value of a variable; digests stand for them", async () => {
    const deployment = new TestDeployment();
    await deployment.environment.update([
      { name: "GREETING", value: "hello" },
      { name: "SECRET", value: "hunter2-and-more" },
    ]);
    const start = await deployment.start(request);
    expect(JSON.stringify(start)).not.toContain("hunter2-and-more");
    expect(Object.keys(JSON.parse(JSON.stringify(start)).environmentVariables)).toEqual(["GREETING", "SECRET"]);
    expect(JSON.stringify([...deployment.database.values])).not.toContain("hunter2-and-more");
  });

  test("P-I-4 start_push alone, as codegen sends it, changes nothing anyone could notice", async () => {
    const deployment = await deployed();
    const before = JSON.stringify(deployment.database.rows(), (_, v) => (v instanceof Map ? [...v] : v));
    const commits = deployment.database.catalogCommits;
    const other = structuredClone(request);
    must(other.appDefinition.changedModules[0], "module").source += "\n// changed";
    await deployment.start(other);
    await deployment.start(request);
    expect(JSON.stringify(deployment.database.rows(), (_, v) => (v instanceof Map ? [...v] : v))).toBe(before);
    expect(deployment.database.catalogCommits).toBe(commits);
  });

  test("DP3 the active version has components, schemas, bindings and modules in place", async () => {
    const deployment = await deployed();
    const app = must(await deployment.activeApp(), "active app");
    expect(Object.keys(app.components)).toEqual(["", "counter", "second"]);
    expect(app.components["second"]).toMatchObject({
      definitionPath: "counter",
      modulePrefix: "components/counter/",
      environment: { STEP: { type: "envVar", name: "GREETING" } },
    });
    expect(app.components[""]?.httpMounts).toEqual({ "/second/": "second" });
    expect(app.components[""]?.children).toEqual({ counter: "counter", second: "second" });
    const bundle = must(await deployment.code.bundle(app.bundleKey), "bundle");
    expect(Object.keys(bundle)).toContain("app/nested/deep/tasks.js");
    expect(Object.keys(bundle)).toContain("components/counter/public.js");
    expect(Object.keys(bundle).some((key) => key.startsWith("app/_deps/"))).toBe(true);
    for (const module of app.modules) {
      expect(await deployment.code.source(module.hash)).toBe(bundle[module.key]);
      expect(must(await deployment.code.sourceMap(must(module.sourceMapKey, "map key")), "map")).toContain("mappings");
    }
  });

  test("P-D-11 tables and indexes of every mounted component exist and are enabled", async () => {
    const { database } = await deployed();
    expect(database.index("messages", "by_channel")).toMatchObject({ state: "enabled", staged: false });
    expect(database.index("messages", "by_body")).toMatchObject({ state: "ready", staged: true });
    expect(database.index("messages", "search_body")).toMatchObject({ state: "enabled" });
    expect(database.index("counts", "by_name", "counter")).toMatchObject({ state: "enabled" });
    expect(database.index("counts", "by_name", "second")).toMatchObject({ state: "enabled" });
    expect(database.index("counts", "by_name", "second")?.id).not.toBe(
      database.index("counts", "by_name", "counter")?.id,
    );
  });

  test("DP4 hashes equal the command line's, and a push of hashes alone gives the same version", async () => {
    const deployment = await deployed();
    const { moduleHashes, ...config } = JSON.parse(
      JSON.stringify(await deployment.service.getConfigHashes({ version: "1.48.0", adminKey: "x" })),
    );
    expect(config).toEqual({ config: { functions: "convex/" }, udfServerVersion: "1.48.0" });
    const sent = request.appDefinition.changedModules.map((module) => ({
      path: module.path,
      hash: createHash("sha256")
        .update(module.source)
        .update(module.sourceMap ?? "")
        .digest("hex"),
      environment: module.environment,
    }));
    const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1);
    expect(moduleHashes.toSorted(byPath)).toEqual(sent.toSorted(byPath));

    const before = await deployment.activeApp();
    const commits = deployment.database.catalogCommits;
    const again: StartPushBody = {
      ...request,
      appDefinition: {
        ...request.appDefinition,
        changedModules: [],
        unchangedModuleHashes: sent.map(({ path, hash, environment }) => ({ path, sha256: hash, environment })),
      },
    };
    expect(await deployment.push(again)).toMatchObject({ componentDiffs: {} });
    expect(await deployment.activeApp()).toEqual(before);
    expect(deployment.database.catalogCommits).toBe(commits);
  });

  test("DP5 pushing again differs in no index; one changed module is told as such", async () => {
    const deployment = await deployed();
    const start = JSON.parse(JSON.stringify(await deployment.start(request)));
    for (const diff of Object.values(start.schemaChange.indexDiffs)) {
      expect(diff).toEqual({ added_indexes: [], removed_indexes: [], enabled_indexes: [], disabled_indexes: [] });
    }
    const changed = structuredClone(request);
    const helpers = must(
      changed.appDefinition.changedModules.find((module) => module.path === "helpers.js"),
      "helpers",
    );
    helpers.source += "\nexport const extra = 1;";
    expect(await deployment.push(changed)).toMatchObject({
      componentDiffs: { "": { moduleDiff: { added: ["helpers.js"], removed: ["helpers.js"] }, schemaDiff: null } },
    });
  });

  test("P-I-5 a dry run stores nothing and changes nothing", async () => {
    const deployment = new TestDeployment();
    await deployment.environment.update([{ name: "GREETING", value: "hello" }]);
    const commits = deployment.database.catalogCommits;
    const start = await deployment.start({ ...request, dryRun: true });
    const { schemaChange } = start;
    expect(await deployment.service.waitForSchema({ schemaChange, timeoutMs: 10, dryRun: true })).toEqual({
      type: "complete",
    });
    expect(await deployment.service.finishPush({ startPush: start, dryRun: true, message: null })).toEqual({
      authDiff: { added: [], removed: [] },
      definitionDiffs: {},
      componentDiffs: {},
    });
    expect(deployment.bucket.objects.size).toBe(0);
    expect(deployment.database.catalogCommits).toBe(commits);
  });

  test("E-G-6 a required variable that is not set stops the push by name", async () => {
    const deployment = new TestDeployment();
    const withoutAuth = structuredClone(request);
    withoutAuth.appDefinition.changedModules = withoutAuth.appDefinition.changedModules.filter(
      (module) => module.path !== "auth.config.js",
    );
    const start = await deployment.start(withoutAuth);
    await deployment.wait(start);
    await expect(deployment.finish(start)).rejects.toMatchObject({
      code: "MissingEnvironmentVariables",
      message:
        "Hit an error while pushing:\nRequired environment variables are not set: GREETING. Set them in the Convex dashboard or CLI before pushing.",
    });
    expect(await deployment.activeApp()).toBeNull();
    await expect(deployment.start(request)).rejects.toMatchObject({
      code: "AuthConfigMissingEnvironmentVariable",
      message:
        "Hit an error while pushing:\nEnvironment variable GREETING is used in auth config file but its value was not set",
    });
  });
});
