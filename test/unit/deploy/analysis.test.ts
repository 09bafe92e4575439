import { describe, expect, test } from "vitest";
import { CodedError } from "../../../src/shared/coded-error.ts";
import { assert, must } from "../../../src/shared/assert.ts";
import type { StartPushBody } from "../../../src/deploy/push-body.ts";
import { appModule, body, componentModule, module, registered, schemaModule } from "../../support/deploy/body.ts";
import { PackageAnalyzer } from "../../support/deploy/package-analyzer.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";

const PREFIX = "Hit an error while pushing:\n";

async function failure(request: unknown, settings = {}): Promise<{ code: string; message: string }> {
  const deployment = new TestDeployment(settings);
  const error = await deployment.service.startPush(request).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof CodedError, "the push is refused with a text for the developer");
  expect(deployment.bucket.objects.size).toBe(0);
  return { code: error.code, message: error.message };
}

function withModules(...changedModules: StartPushBody["appDefinition"]["changedModules"]): StartPushBody {
  return body({ changedModules });
}

function component(definitionPath: string, definition: object = {}, rest: object = {}) {
  const name = must(definitionPath.split("/").at(-1), "name");
  return {
    definitionPath,
    definition: componentModule(name, definition),
    dependencies: [],
    schema: null,
    functions: [],
    udfServerVersion: "1.48.0",
    ...rest,
  };
}

function withChild(definition: object, child: ReturnType<typeof component>): StartPushBody {
  const uses = { childComponents: [{ name: "c", path: child.definitionPath, args: [], env: null }], ...definition };
  return body({ definition: appModule(uses), dependencies: [child.definitionPath] }, { componentDefinitions: [child] });
}

const VALIDATOR = JSON.stringify({ type: "string" });
const http = (routes: string) =>
  module("http.js", `export default { isRouter: true, getRoutes: () => ${routes}, lookup() {}, runRequest() {} };`);
const crons = (specs: object) =>
  module("crons.js", `export default { isCrons: true, export: () => ${JSON.stringify(JSON.stringify(specs))} };`);
const job = (name: string, schedule: object = { type: "interval", minutes: 1 }) => ({ name, args: [{}], schedule });

describe("modules", () => {
  test("E-D-8 a module that throws on load fails the push by name, with its error", async () => {
    expect(await failure(withModules(module("dir/bad.js", `throw new TypeError("no");`)))).toEqual({
      code: "InvalidModules",
      message: `${PREFIX}Loading the pushed modules encountered the following\n    error:\nFailed to analyze dir/bad.js: Uncaught TypeError: no`,
    });
  });

  test("E-D-6 a Node module while there is no Node service", async () => {
    expect(await failure(withModules(module("mail.js", "", "node")))).toEqual({
      code: "DeploymentNotConfiguredForNodeActions",
      message: expect.stringMatching(
        /^Hit an error while pushing:\nDeployment is not configured to deploy "use node" actions\..*NODE_ACTIONS_URL/,
      ),
    });
  });

  test("E-D-3 a query in a Node module, once Node modules are analysed", async () => {
    const deployment = new TestDeployment();
    const request = withModules(module("mail.js", `export const list = ${registered("Query")};`, "node"));
    const ports = { ...deployment.ports, nodeAnalyzer: new PackageAnalyzer(deployment.code, deployment.analyzer) };
    const { PushService } = await import("../../../src/deploy/push-service.ts");
    await expect(new PushService(ports).startPush(request)).rejects.toThrow(
      "`list` defined in `mail.js` is a Query function. Only actions can be defined in Node.js. See https://docs.convex.dev/functions/actions for more details.",
    );
    const action = withModules(module("mail.js", `export const send = ${registered("Action")};`, "node"));
    expect(await new PushService(ports).startPush(action)).toMatchObject({
      analysis: { "": { functions: { "mail.js": { functions: [{ name: "send", udfType: "Action" }] } } } },
    });
  });

  test("E-D-5 a Node module in a component", async () => {
    const child = component("c", {}, { functions: [module("mail.js", "", "node")] });
    expect(await failure(withChild({}, child))).toEqual({
      code: "NodeActionsNotSupported",
      message: `${PREFIX}Node actions are not supported in components. Remove \`"use node;" from mail.js`,
    });
  });

  test("DP30 module paths follow the rules of the server", async () => {
    const path = async (name: string) => (await failure(withModules(module(name, "")))).message.slice(PREFIX.length);
    expect(await path("a-b.js")).toBe(
      "Path component a-b.js can only contain alphanumeric characters, underscores, or periods.",
    );
    expect(await path("__/x.js")).toBe(
      "Path component __ can only contain alphanumeric characters, underscores, or periods.",
    );
    expect(await path("a//x.js")).toContain("Path component  can only contain");
    expect(await path("../x.js")).toContain("Path component .. can only contain");
    expect(await path("x.ts")).toBe("Module path (x.ts) has an extension that isn't 'js'.");
    expect(await path(`${"a".repeat(65)}.js`)).toContain("Path component is too long (68 > maximum 64): ");
  });

  test("E-F-12 too many files, and too much code", async () => {
    const files = withModules(module("a.js", ""), module("b.js", ""), module("_deps/c.js", ""));
    expect(await failure(files, { maxModules: 1 })).toEqual({
      code: "InvalidModules",
      message: `${PREFIX}Too many function files (2 > maximum 1) in "convex/". See our docs (https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.`,
    });
    const large = withModules(module("a.js", `//${" ".repeat(1024 * 1024)}`));
    expect(await failure(large, { maxCodeBytes: 1024 * 1024 })).toEqual({
      code: "ModulesTooLarge",
      message: `${PREFIX}Total module size exceeded the unzipped maximum (1.00 MiB > maximum size 1 MiB)`,
    });
  });

  test("DP31 an unchanged module that is not deployed so is a race", async () => {
    const unchangedModuleHashes = [{ path: "a.js", environment: "isolate" as const, sha256: "00" }];
    expect((await failure(body({ unchangedModuleHashes }))).code).toBe("RaceDetected");
  });

  test("DP32 bodies of any other shape are the client's mistake, and their values are not repeated", async () => {
    for (const wrong of [null, [], "x", {}, { ...body(), dryRun: "secret" }, { ...body(), appDefinition: 1 }]) {
      const { code, message } = await failure(wrong);
      expect(code).toBe("BadJsonBody");
      expect(message).not.toContain("secret");
    }
    const { service } = new TestDeployment();
    await expect(service.waitForSchema({})).rejects.toMatchObject({ code: "BadJsonBody" });
    await expect(service.finishPush({ startPush: {} })).rejects.toMatchObject({ code: "BadJsonBody" });
    await expect(service.getConfigHashes(3)).rejects.toMatchObject({ code: "BadJsonBody" });
  });
});

describe("crons", () => {
  const target = module(
    "m.js",
    `export const q = ${registered("Query")}; export const a = ${registered("Action", "Internal")};`,
  );

  test("E-B-17 targets that do not exist or are queries", async () => {
    expect(await failure(withModules(target, crons({ tick: job("m:nope") })))).toMatchObject({
      message: `${PREFIX}The cron job 'tick' schedules a function that does not exist: m:nope`,
    });
    expect(await failure(withModules(target, crons({ tick: job("m:q") })))).toMatchObject({
      message: `${PREFIX}The cron job 'tick' schedules a query function, only actions and mutations can be scheduled: m:q`,
    });
    const deployment = new TestDeployment();
    await deployment.start(withModules(target, crons({ tick: job("m:a") })));
  });

  test("E-B-17 schedules out of range", async () => {
    const wrong = async (schedule: object) =>
      (await failure(withModules(target, crons({ tick: job("m:a", schedule) })))).message.slice(PREFIX.length);
    expect(await wrong({ type: "hourly", minuteUTC: 60 })).toBe(
      'minuteUTC must be 0-59 in {"type":"hourly","minuteUTC":60}',
    );
    expect(await wrong({ type: "daily", hourUTC: 24 })).toBe('hourUTC must be 0-23 in {"type":"daily","hourUTC":24}');
    expect(await wrong({ type: "monthly", day: 0, hourUTC: 1 })).toContain("day of month must be 1-31 in ");
    expect(await wrong({ type: "interval", minutes: 1, hours: 1 })).toBe(
      "Exactly one of (seconds, minutes, hours) should be specified",
    );
  });
});

describe("schema and auth config", () => {
  test("E-B-18 an error in the schema has the schema's head line", async () => {
    const schema = module("schema.js", `throw new Error("A validator is undefined");`);
    expect(await failure(body({ schema }))).toEqual({
      code: "InvalidSchema",
      message: `${PREFIX}Hit an error while evaluating your schema:\nUncaught Error: A validator is undefined`,
    });
    expect((await failure(body({ schema: schemaModule({ _x: {} }) }))).message).toBe(
      `${PREFIX}Hit an error while evaluating your schema:\n_x is a reserved table name.`,
    );
  });

  test("DP33 auth providers are checked and completed", async () => {
    const provider = async (value: object) =>
      (
        await failure(
          withModules(module("auth.config.js", `export default { providers: [${JSON.stringify(value)}] };`)),
        )
      ).message.slice(`${PREFIX}auth config file must include a list of provider credentials: `.length);
    expect(await provider({ domain: "x", applicationId: "y" })).toBe(
      "Provider at index 0 must have applicationID property spelled lowercase 'application', capital I, capital D.",
    );
    expect(await provider({ type: "saml" })).toBe("Provider at index 0 has unexpected 'type' value 'saml'");
    expect(await provider({ type: "customJwt", domain: "x" })).toBe(
      "Provider at index 0 is a customJwt so cannot have a 'domain' specified",
    );
    const jwt = { type: "customJwt", issuer: "i.example", jwks: "data:text/plain,{}", algorithm: "ES256", extra: 1 };
    const deployment = new TestDeployment();
    const config = module("auth.config.js", `export default { providers: [${JSON.stringify(jwt)}] };`);
    expect(await deployment.start(withModules(config))).toMatchObject({
      appAuth: [
        {
          type: "customJwt",
          applicationID: null,
          issuer: "https://i.example",
          jwks: "data:text/plain,{}",
          algorithm: "ES256",
        },
      ],
    });
    for (const domain of ["nonsense", "http://auth:8080", "ftp://a.example", "https://", "a.", ".a"]) {
      const source = `export default { providers: [${JSON.stringify({ domain, applicationID: "y" })}] };`;
      expect(await failure(withModules(module("auth.config.js", source))), domain).toMatchObject({
        code: "InvalidProviderDomainUrl",
        message: expect.stringContaining(`Invalid provider domain URL "${domain}": `),
      });
    }
  });
});

describe("components", () => {
  const typecheck = async (request: StartPushBody): Promise<string> => {
    const { code, message } = await failure(request);
    expect(code).toBe("TypecheckError");
    return message.slice(PREFIX.length);
  };

  test("DP34 environment bindings are checked against declarations", async () => {
    const declared = component("lib/c", { envVars: [["KEY", { type: "value", value: VALIDATOR }]] });
    const uses = (env: unknown) => ({ childComponents: [{ name: "c", path: "lib/c", args: [], env }] });
    expect(await typecheck(withChild(uses([]), declared))).toBe('Component "c" is missing required env var "KEY"');
    expect(await typecheck(withChild(uses([["OTHER", { type: "value", value: "x" }]]), declared))).toBe(
      'Component "c" has no env var named "OTHER"',
    );
    expect(await typecheck(withChild(uses([["KEY", { type: "envVar", name: "NONE" }]]), declared))).toBe(
      'Component "c" references undeclared parent env var "NONE"',
    );
    const literal = JSON.stringify({ type: "literal", value: "on" });
    const limited = component("lib/c", { envVars: [["KEY", { type: "value", value: literal }]] });
    const message = await typecheck(withChild(uses([["KEY", { type: "value", value: "hunter2" }]]), limited));
    expect(message).toBe('Component "c" has an invalid value for env var "KEY"');
  });

  test("DP35 unknown definitions, equal names and cycles", async () => {
    expect(await typecheck(body({ dependencies: ["nowhere"] }))).toBe("Component definition not found: nowhere");
    const twice = { name: "c", path: "c", args: [], env: null };
    expect(await typecheck(withChild({ childComponents: [twice, twice] }, component("c")))).toBe(
      'Component "" has multiple child components with the same name: "c"',
    );
    const cycle = [component("a", {}, { dependencies: ["b"] }), component("b", {}, { dependencies: ["a"] })];
    expect((await failure(body({ dependencies: ["a"] }, { componentDefinitions: cycle }))).message).toBe(
      `${PREFIX}Found cyclic definition dependency`,
    );
  });

  test("DP36 HTTP mounts need routes and must not overlap", async () => {
    const mounted = { httpMounts: { "/c/": "_reference/childComponent/c" } };
    expect(await typecheck(withChild(mounted, component("c")))).toBe(
      `HTTP mount "/c/" is invalid: Child component "c" doesn't have any HTTP routes.`,
    );
    expect(await typecheck(withChild({ httpMounts: { "/c/": "_reference/childComponent/d" } }, component("c")))).toBe(
      `HTTP mount "/c/" is invalid: Child component "d" not found.`,
    );
    const withRoutes = component("c", {}, { functions: [http(`[["/x", "GET", {}]]`)] });
    const overlapping = withChild(mounted, withRoutes);
    overlapping.appDefinition.changedModules.push(http(`[["/c/*", "GET", {}]]`));
    expect(await typecheck(overlapping)).toBe(`HTTP mount "/c/" is invalid: Overlap with existing prefix route`);
  });

  test("DP37 a public function may not have the path of a branch", async () => {
    const functions = [
      module("a.js", `export const b = ${registered("Query")};`),
      module("a/b.js", `export const c = ${registered("Query")};`),
    ];
    expect((await failure(withChild({}, component("c", {}, { functions })))).message).toContain(
      "conflicts with existing export",
    );
  });

  test("DP38 definitions of packages, whose paths leave the project, get module keys that do not", async () => {
    const path = "../node_modules/@scope/pkg/dist/component";
    const functions = [module("lib.js", `export const f = ${registered("Query")};`)];
    const deployment = new TestDeployment();
    await deployment.push(withChild({}, component(path, {}, { functions })));
    const app = must(await deployment.activeApp(), "active app");
    const { modulePrefix, definitionPath } = must(app.components["c"], "component");
    expect(definitionPath).toBe(path);
    expect(modulePrefix).toMatch(/^components\/~[A-Za-z0-9_-]+\/$/);
    expect(app.modules.map(({ key }) => key)).toEqual([`${modulePrefix}lib.js`]);
  });

  test("DP39 a component that is mounted no more keeps its tables and indexes", async () => {
    const schema = schemaModule({ t: { fields: { a: "string" }, indexes: { by_a: ["a"] } } });
    const deployment = new TestDeployment();
    await deployment.push(withChild({}, component("c", {}, { schema })));
    const index = must(deployment.database.index("t", "by_a", "c"), "index");
    expect(await deployment.push(body())).toMatchObject({ componentDiffs: { c: { diffType: { type: "unmount" } } } });
    expect(deployment.database.index("t", "by_a", "c")).toEqual(index);
    await deployment.push(withChild({}, component("c", {}, { schema })));
    expect(deployment.database.index("t", "by_a", "c")).toEqual(index);
  });
});
