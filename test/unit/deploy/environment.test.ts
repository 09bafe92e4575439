import { describe, expect, test } from "vitest";
import { Environment } from "../../../src/deploy/environment.ts";
import { EnvironmentCipher } from "../../../src/deploy/environment-cipher.ts";
import { parseEnvironmentChanges } from "../../../src/deploy/push-body.ts";
import { must } from "../../../src/shared/assert.ts";
import { isJsonObject, type JsonValue } from "../../../src/shared/json.ts";
import { appModule, body } from "../../support/deploy/body.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";

const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };

async function declaring(): Promise<TestDeployment> {
  const deployment = new TestDeployment();
  const literal = JSON.stringify({
    type: "union",
    value: ["fast", "slow"].map((value) => ({ type: "literal", value })),
  });
  const definition = appModule({
    envVars: [
      ["KEY", { type: "value", value: JSON.stringify({ type: "string" }) }],
      ["MODE", { type: "value", value: literal, optional: true }],
    ],
  });
  await deployment.environment.update([{ name: "KEY", value: "k" }]);
  await deployment.push(body({ definition }));
  return deployment;
}

describe("environment variables", () => {
  test("P-E-1 set, list, change, remove; a repeated name has its last value", async () => {
    const { environment } = new TestDeployment();
    await environment.update([
      { name: "B", value: "2" },
      { name: "A", value: "1" },
      { name: "B", value: "zwei ✓" },
    ]);
    expect(await environment.list()).toEqual([
      { name: "A", value: "1" },
      { name: "B", value: "zwei ✓" },
    ]);
    await environment.update([
      { name: "A", value: null },
      { name: "NEVER_SET", value: null },
    ]);
    expect(await environment.list()).toEqual([{ name: "B", value: "zwei ✓" }]);
  });

  test("ENV1 a list of changes is applied as a whole or not at all", async () => {
    const { environment, database } = new TestDeployment();
    const changes = [
      { name: "GOOD", value: "1" },
      { name: "1-BAD", value: "2" },
    ];
    await expect(environment.update(changes)).rejects.toMatchObject({ code: "EnvironmentVariableNameInvalid" });
    expect(await environment.list()).toEqual([]);
    expect(database.catalogCommits).toBe(0);
  });

  test("P-E-2 built-in names can be neither set nor removed", async () => {
    const { environment } = new TestDeployment();
    for (const value of ["x", null]) {
      await expect(environment.update([{ name: "CONVEX_CLOUD_URL", value }])).rejects.toMatchObject({
        code: "EnvVarNameForbidden",
        message: 'Environment variable with name "CONVEX_CLOUD_URL" is built-in and cannot be overridden',
      });
    }
  });

  test("P-E-3 what the app declares holds on set and on remove, without telling values", async () => {
    const { environment } = await declaring();
    await expect(environment.update([{ name: "KEY", value: null }])).rejects.toMatchObject({
      code: "MissingEnvironmentVariables",
      message:
        "Required environment variables are not set: KEY. Set them in the Convex dashboard or CLI before pushing.",
    });
    const refused = await environment.update([{ name: "MODE", value: "hunter2" }]).then(
      () => null,
      (error: unknown) => error,
    );
    expect(String(refused)).toContain('"MODE"');
    expect(String(refused)).not.toContain("hunter2");
    await environment.update([{ name: "MODE", value: "slow" }]);
    await environment.update([
      { name: "MODE", value: null },
      { name: "KEY", value: "other" },
    ]);
    expect(await environment.list()).toEqual([{ name: "KEY", value: "other" }]);
  });

  test("ENV2 another commit in between is no reason to fail", async () => {
    const { environment, database } = new TestDeployment();
    let interfered = 0;
    database.beforeCommit = () => {
      if (interfered++ < 2) database.write("", `table${interfered}`, "d", {});
    };
    await environment.update([{ name: "A", value: "1" }]);
    expect(interfered).toBe(3);
    expect(await environment.list()).toEqual([{ name: "A", value: "1" }]);
  });

  test("ENV3 values are sealed at rest, and a stored value can't be moved to another name", async () => {
    const { environment, database } = new TestDeployment();
    await environment.update([
      { name: "A", value: "hunter2" },
      { name: "B", value: "hunter2" },
    ]);
    const [a, b] = ["env:A", "env:B"].map((key) => must(database.values.get(key), key));
    expect(JSON.stringify([a, b])).not.toContain("hunter2");
    expect(field(a, "data")).not.toBe(field(b, "data"));
    database.values.set("env:B", must(a, "sealed"));
    await expect(environment.list()).rejects.toThrow();
  });

  test("ENV4 values under the previous secret stay readable, and new ones use the present secret", async () => {
    const deployment = new TestDeployment({}, ["old"]);
    await deployment.environment.update([{ name: "A", value: "1" }]);
    const rotated = new Environment({ ...deployment.ports, cipher: new EnvironmentCipher(["new", "old"], random) });
    expect(await rotated.list()).toEqual([{ name: "A", value: "1" }]);
    await rotated.update([{ name: "A", value: "2" }]);
    const later = new Environment({ ...deployment.ports, cipher: new EnvironmentCipher(["new"], random) });
    expect(await later.list()).toEqual([{ name: "A", value: "2" }]);
    await expect(deployment.environment.list()).rejects.toThrow(
      "Environment variable A was stored under a deployment secret that is no longer configured.",
    );
  });

  test("ENV5 a change is answered when no isolate holds the old values any more", async () => {
    const deployment = new TestDeployment();
    deployment.database.beforeCommit = () => {
      expect(deployment.leases).toBe(0);
    };
    await deployment.environment.update([{ name: "A", value: "1" }]);
    expect(deployment.leases).toBe(1);
  });

  test("ENV6 bodies are checked, values not repeated", () => {
    expect(parseEnvironmentChanges({ changes: [{ name: "A", value: null }, { name: "B" }] })).toEqual({
      changes: [{ name: "A", value: null }, { name: "B" }],
    });
    for (const wrong of [{}, { changes: [{ name: 1 }] }, { changes: [{ name: "A", value: { secret: "hunter2" } }] }]) {
      expect(() => parseEnvironmentChanges(wrong)).toThrow(
        expect.objectContaining({ code: "BadJsonBody", message: expect.not.stringContaining("hunter2") }),
      );
    }
  });
});

function field(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isJsonObject(value) ? value[name] : undefined;
}
