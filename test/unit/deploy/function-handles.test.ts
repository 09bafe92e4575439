import { describe, expect, test } from "vitest";
import { FunctionHandleCodec, handleKey } from "../../../src/deploy/function-handles.ts";
import { must } from "../../../src/shared/assert.ts";
import { body, module, registered } from "../../support/deploy/body.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";

const SEND = { component: "", module: "dir/m.js", function: "send" };

async function deployedWith(...functions: string[]): Promise<TestDeployment> {
  const deployment = new TestDeployment();
  await pushFunctions(deployment, ...functions);
  return deployment;
}

async function pushFunctions(deployment: TestDeployment, ...functions: string[]): Promise<void> {
  const source = functions.map((name) => `export const ${name} = ${registered("Mutation", "Internal")};`).join("\n");
  await deployment.push(body({ changedModules: [module("dir/m.js", source)] }));
}

function codec(deployment: TestDeployment): FunctionHandleCodec {
  return new FunctionHandleCodec(handleKey(deployment.database.values));
}

async function active(deployment: TestDeployment) {
  return must(await deployment.activeApp(), "active app");
}

describe("function handles", () => {
  test("S4-18 a handle names its function, internal ones of a plain app included (S4-26)", async () => {
    const deployment = await deployedWith("send");
    const handle = await codec(deployment).encode(SEND);
    expect(handle).toMatch(/^function:\/\/[A-Za-z0-9_-]+$/);
    expect(await codec(deployment).resolve(handle, await active(deployment))).toEqual(SEND);
    expect(await codec(deployment).resolve(`${handle}#dir/m:other`, await active(deployment))).toEqual(SEND);
    expect(await codec(deployment).encode(SEND)).toBe(handle);
    expect(handle).not.toContain(btoa("dir/m").slice(0, 6));
  });

  test("S4-19 a handle survives pushes, until its function is removed", async () => {
    const deployment = await deployedWith("send");
    const handle = await codec(deployment).encode(SEND);
    await pushFunctions(deployment, "send", "more");
    expect(await codec(deployment).resolve(handle, await active(deployment))).toEqual(SEND);
    await pushFunctions(deployment, "more");
    await expect(codec(deployment).resolve(handle, await active(deployment))).rejects.toMatchObject({
      code: "FunctionHandleNotFound",
      message: "Function handle not found",
    });
  });

  test("E-A-8 the component is gone", async () => {
    const deployment = await deployedWith("send");
    const handle = await codec(deployment).encode({ ...SEND, component: "gone" });
    await expect(codec(deployment).resolve(handle, await active(deployment))).rejects.toThrow("Component not found");
  });

  test("FH1 nothing but a handle of this deployment resolves", async () => {
    const deployment = await deployedWith("send");
    const app = await active(deployment);
    const handle = await codec(deployment).encode(SEND);
    const foreign = await new FunctionHandleCodec("AB".repeat(32)).encode(SEND);
    const changed = handle.slice(0, -1) + (handle.endsWith("A") ? "B" : "A");
    for (const wrong of [
      "",
      "function://",
      "function://%%",
      "function://AAAA",
      "m:send",
      handle.slice(0, -4),
      changed,
      foreign,
    ]) {
      await expect(codec(deployment).resolve(wrong, app)).rejects.toMatchObject({
        code: "InvalidFunctionHandle",
        message: `Invalid function handle ${wrong}`,
      });
    }
  });
});
