import { beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { History } from "../../../src/deploy/history.ts";
import { Environment } from "../../../src/deploy/environment.ts";
import { TestDeployment } from "../../support/deploy/deployment.ts";

const waiting = z.array(
  z.object({ id: z.string(), action: z.string(), metadata: z.object({ variable_name: z.string() }) }),
);

type Fault = "none" | "not reached" | "answer lost";

let deployment: TestDeployment;
let environment: Environment;
/** What the Transactor has recorded, by id. */
let recorded: Map<string, string>;
/** What happens to the calls to come; `none` behind the last. */
let faults: Fault[];
let warnings: string[];
/** What the log streams heard. */
let told: string[];
/** The Transactor is of a version that tells nothing of events. */
let older: boolean;

beforeEach(() => {
  deployment = new TestDeployment();
  recorded = new Map();
  faults = [];
  warnings = [];
  told = [];
  older = false;
  let drawn = 0;
  const history = new History({
    async run(_op, args) {
      const fault = faults.shift() ?? "none";
      if (fault === "not reached") throw new Error("no connection");
      const { values } = await deployment.database.loadCatalog();
      const events = waiting.parse(values.get("pendingEvents") ?? []);
      const known = new Set(recorded.keys());
      for (const { id, action, metadata } of events) {
        if (!recorded.has(id)) recorded.set(id, `${action} ${metadata.variable_name}`);
      }
      if (fault === "answer lost") throw new Error("connection lost");
      if (older || args["events"] !== true) return events.map(({ id }) => id);
      return events.map(({ id, action, metadata }) => ({
        id,
        fresh: known.has(id) ? null : { at: 1000, action, metadata },
      }));
    },
    clock: { now: () => 1000 },
    random: { bytes: (length) => new Uint8Array(length).fill(++drawn) },
    log: { info() {}, warn: (event) => void warnings.push(event), error() {} },
    tell: (events) =>
      told.push(
        ...events.map(({ action, metadata }) =>
          `${action} ${JSON.stringify(metadata["variable_name"])}`.replaceAll(`"`, ""),
        ),
      ),
  });
  environment = new Environment({ ...deployment.ports, history });
});

async function set(name: string, value: string | null): Promise<void> {
  await environment.update([{ name, value }]);
}

/** Of the change itself only; `after`: of the record behind it. */
function next(before: Fault, after: Fault): void {
  faults = [before, after];
}

async function left(): Promise<number> {
  const { values } = await deployment.database.loadCatalog();
  return waiting.parse(values.get("pendingEvents") ?? []).length;
}

describe("HIST1", () => {
  test("what is recorded leaves with the next change", async () => {
    await set("A", "1");
    await set("A", "2");
    await set("A", null);
    expect([...recorded.values()]).toEqual([
      "create_environment_variable A",
      "update_environment_variable A",
      "delete_environment_variable A",
    ]);
    expect(await left()).toBe(1);
    expect(warnings).toEqual([]);
  });

  test.each(["not reached", "answer lost"] as const)("a record that is %s is made up for, once", async (fault) => {
    next("none", fault);
    await set("A", "1");
    next(fault, fault);
    await set("B", "1");
    await set("C", "1");
    expect([...recorded.values()]).toEqual(["A", "B", "C"].map((name) => `create_environment_variable ${name}`));
    expect(await left()).toBe(1);
    expect(warnings).toHaveLength(3);
  });

  test("a change that is refused is not told", async () => {
    await expect(set("CONVEX_CLOUD_URL", "x")).rejects.toThrow("built-in");
    await set("NEVER", null);
    expect(recorded.size).toBe(0);
  });
});

describe("STREAM5", () => {
  test("an event is told once it is recorded, and not again", async () => {
    await set("A", "1");
    expect(told).toEqual(["create_environment_variable A"]);
    next("not reached", "not reached");
    await set("B", "1");
    expect(told).toHaveLength(1);
    await set("C", "1");
    expect(told).toEqual(["A", "B", "C"].map((name) => `create_environment_variable ${name}`));
  });

  test("of an older Transactor's nothing is told, and the record is as good", async () => {
    older = true;
    await set("A", "1");
    await set("B", "1");
    expect(told).toEqual([]);
    expect(recorded.size).toBe(2);
    expect(await left()).toBe(1);
    expect(warnings).toEqual([]);
  });
});
