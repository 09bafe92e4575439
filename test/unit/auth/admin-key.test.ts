import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { AdminKeys } from "../../../src/auth/admin-key.ts";

const OLD = "a".repeat(64);
const NEW = "b".repeat(64);

describe("admin keys", () => {
  test("KEY1 a key is the instance name, the rights and an HMAC of both under the deployment's secret", async () => {
    const keys = await AdminKeys.create("convection", [NEW]);
    const mac = (label: string) => createHmac("sha256", NEW).update(`${label}\nconvection`).digest("hex");
    expect(await keys.issue()).toBe(`convection|01${mac("convection/admin-key/v1/full")}`);
    expect(await keys.issue({ readOnly: true })).toBe(`convection|02${mac("convection/admin-key/v1/read-only")}`);
  });

  test("KEY1 an issued key is accepted with the rights it was issued for", async () => {
    const keys = await AdminKeys.create("convection", [NEW]);
    expect(await keys.verify(await keys.issue())).toEqual({ readOnly: false });
    expect(await keys.verify(await keys.issue({ readOnly: true }))).toEqual({ readOnly: true });
  });

  test("KEY2 during a rotation keys of both secrets are accepted, afterwards those of the new one only", async () => {
    const oldKey = await (await AdminKeys.create("convection", [OLD])).issue();
    const rotating = await AdminKeys.create("convection", [NEW, OLD]);
    const rotated = await AdminKeys.create("convection", [NEW]);
    expect(await rotating.verify(oldKey)).toEqual({ readOnly: false });
    expect(await rotated.verify(oldKey)).toBeNull();
    expect(await rotated.verify(await rotating.issue())).toEqual({ readOnly: false });
  });

  test("KEY3 every changed digit, another instance and a read-only key dressed up as a full one are refused", async () => {
    const keys = await AdminKeys.create("convection", [NEW]);
    const key = await keys.issue();
    for (let i = 0; i < key.length; i++) {
      const digit = key[i] === "0" ? "1" : "0";
      expect(await keys.verify(key.slice(0, i) + digit + key.slice(i + 1)), `digit ${i}`).toBeNull();
    }
    expect(await (await AdminKeys.create("other", [NEW])).verify(key.replace("convection", "other"))).toBeNull();
    const readOnly = await keys.issue({ readOnly: true });
    expect(await keys.verify(readOnly.replace("|02", "|01"))).toBeNull();
    for (const text of ["", "|", "convection", "convection|", `${key}0`, key.slice(0, -1), ` ${key}`]) {
      expect(await keys.verify(text), text).toBeNull();
    }
  });

  test("KEY4 a short secret or an unusable instance name stops the deployment from starting", async () => {
    await expect(AdminKeys.create("convection", ["short"])).rejects.toThrow("32 characters");
    await expect(AdminKeys.create("convection", [])).rejects.toThrow("32 characters");
    await expect(AdminKeys.create("a|b", [NEW])).rejects.toThrow("instance name");
  });
});
