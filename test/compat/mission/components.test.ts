import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getFunctionName } from "convex/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiClient, errorOf, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";

/** One component mounted twice, which itself uses a component. The last tests push other versions of the app. */

let app: AppCopy;
let backend: TestBackend;
let api: ApiClient;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "components-app"));
  backend = await startBackend({ app: app.path });
  api = new ApiClient(backend);
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

let names = 0;
function newName(): string {
  return `name ${++names}`;
}

interface Added {
  readonly ids: string[];
  readonly counts: number[];
}

describe("calls", () => {
  test("P-C-1 two instances of one component have their own tables, and so has the component inside each", async () => {
    const name = newName();
    await valueOf(api.mutation("main:addToFirst", { name, n: 5 }));
    const { counts } = (await valueOf(api.action("main:addToBoth", { name, n: 2 }))) as Added;
    expect(counts).toEqual([7, 20]);
    expect(await valueOf(api.action("main:historyOfBoth", { name }))).toEqual([
      [`${name} 5`, `${name} 2`],
      [`${name} 20`],
    ]);
    expect(await valueOf(api.query("main:notesOf", { name }))).toEqual([]);
  });

  test("P-C-2 parents call public functions of all kinds, and ids become strings", async () => {
    const name = newName();
    const { ids } = (await valueOf(api.action("main:addToBoth", { name, n: 2 }))) as Added;
    expect(ids.map((id) => typeof id)).toEqual(["string", "string"]);
    expect(await valueOf(api.action("main:getById", { instance: "counter", id: ids[0] }))).toBe(2);
    expect(await valueOf(api.action("main:getById", { instance: "second", id: ids[1] }))).toBe(20);
    expect(await valueOf(api.query("main:readFirst", { name }))).toBe(2);
    expect(await valueOf(api.action("main:runInComponent", { name, n: 3 }))).toBe(8);
  });

  test("P-C-2 in the generated types of the parent ids of a component are strings, and arguments are checked", async () => {
    const config = join(app.path, "tsconfig.check.json");
    // Not the components themselves: what the official CLI generates for a component inside another one has a wrong path.
    writeFileSync(config, JSON.stringify({ extends: "./convex/tsconfig.json", include: ["convex/main.ts"] }));
    const tsc = new Spawned(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config], {
      cwd: app.path,
    });
    const code = await tsc.exited;
    expect({ code, output: tsc.stdout }).toEqual({ code: 0, output: "" });
  });

  test("P-C-2 E-A-1 clients never reach a component", async () => {
    for (const path of ["lib:read", "counter/lib:read", "second/lib:read"]) {
      const body = { path, args: { name: "x" }, componentPath: "counter" };
      const response = await api.post("/api/query", body);
      const answer: { errorMessage?: string } = await response.json();
      expect(answer.errorMessage).toContain(`Could not find public function for '${path}'.`);
    }
    const asReference = await api.post("/api/query", { path: "_reference/childComponent/counter/lib/read", args: {} });
    expect(((await asReference.json()) as { errorMessage?: string }).errorMessage).toContain(
      "Could not find public function for '_reference/childComponent/counter/lib/read'. Did you forget to run `npx convex dev`?",
    );
  });

  test("P-C-2 an admin reaches a component by its path", async () => {
    const name = newName();
    await valueOf(api.mutation("main:addToFirst", { name, n: 4 }));
    expect(await valueOf(api.admin("lib:read", { name }, "counter"))).toBe(4);
    expect(await valueOf(api.admin("lib:read", { name }, "second"))).toBe(0);
    expect(await valueOf(api.admin("log:lines", { prefix: name }, "counter/audit"))).toEqual([`${name} 4`]);
    const run = ["run", "--component", "counter", "lib:read", JSON.stringify({ name })];
    expect(await convex(app.path, backend, run)).toMatchObject({ code: 0, stdout: "4\n" });
  });

  test.each(["nope", "counter/nope", "constructor", "__proto__"])(
    "P-C-2 ACT1 there is no function in the component %s",
    async (component) => {
      expect(await errorOf(api.admin("lib:read", { name: "x" }, component))).toBe(
        `Could not find function for 'lib:read' in component '${component}'. Did you forget to run \`npx convex dev\`?\n`,
      );
    },
  );

  test("P-C-2 what a component does not export cannot be referred to", async () => {
    expect(await valueOf(api.action("main:reachInside"))).toEqual([
      `Child component "second" does not export ["lib", "addHidden"]`,
      `Child component "second" does not export ["audit", "log"]`,
      `Child component "audit" not found`,
    ]);
  });

  test("P-C-2 E-A-1 a name is looked up in the caller's own component", async () => {
    expect(await errorOf(api.action("main:reachUp", { name: "main:callback" }))).toContain(
      "Could not find public function for 'main:callback' in component 'counter'. Did you forget to run `npx convex dev`?",
    );
  });

  test("S4-16 E-A-4 S4-17 a reference into a component is an address and has no name", async () => {
    const generated: { components: Record<string, Record<string, Record<string, never>>> } = await import(
      join(app.path, "convex/_generated/api.js")
    );
    const reference = generated.components["counter"]?.["lib"]?.["read"];
    if (reference === undefined) throw new Error("the generated code has no such reference");
    expect(() => getFunctionName(reference)).toThrow(
      'Expected function reference in the current component like "api.file.func" or "internal.file.func", ' +
        "but received reference _reference/childComponent/counter/lib/read",
    );
    const { getFunctionAddress } = await import("convex/server");
    expect(getFunctionAddress(reference)).toEqual({ reference: "_reference/childComponent/counter/lib/read" });
  });
});

describe("transactions", () => {
  test("P-C-3 a component's mutation that throws is rolled back alone", async () => {
    const name = newName();
    const message = await valueOf(api.mutation("main:catchAndGoOn", { name, n: 1 }));
    expect(message).toMatch(/^Uncaught Error: thrown by the component\n/);
    expect(await valueOf(api.query("main:notesOf", { name }))).toEqual(["before", "after"]);
    expect(await valueOf(api.query("main:readFirst", { name }))).toBe(0);
    expect(await valueOf(api.action("main:historyOfBoth", { name }))).toEqual([[], []]);
  });

  test("P-C-3 a component's writes go with the transaction of its parent", async () => {
    const name = newName();
    expect(await errorOf(api.mutation("main:failAfterwards", { name, n: 1 }))).toContain("thrown by the app");
    expect(await valueOf(api.query("main:readFirst", { name }))).toBe(0);
    expect(await valueOf(api.action("main:historyOfBoth", { name }))).toEqual([[], []]);
  });
});

describe("what a component has not", () => {
  test("P-C-4 ACT2 an action's identity stays in the app", async () => {
    const identity = Buffer.from(JSON.stringify({ issuer: "https://issuer.example", subject: "me" })).toString(
      "base64",
    );
    const headers = { authorization: `Convex ${backend.adminKey}:${identity}` };
    const response = await api.post("/api/action", { path: "main:identityInside", args: {} }, headers);
    expect(await response.json()).toMatchObject({ value: [{ subject: "me" }, null] });
  });

  test("P-C-4 the app's environment is not the component's, the built-in variables are", async () => {
    expect(await convex(app.path, backend, ["env", "set", "GREETING", "hello"])).toMatchObject({ code: 0 });
    expect(await valueOf(api.action("main:environmentInside"))).toEqual({
      app: "hello",
      component: { greeting: null, cloudUrl: backend.url },
    });
  });

  test("P-C-4 E-F-15 paginate() is refused in queries, and pages through its own table in mutations", async () => {
    const name = newName();
    for (const n of [1, 2, 3, 4, 5]) await valueOf(api.mutation("main:addToFirst", { name, n }));
    expect(await errorOf(api.action("main:pageInside", { name }))).toContain(
      "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination",
    );
    expect(await valueOf(api.action("main:pagesInside", { name }))).toEqual([[1, 2], [3, 4], [5]]);
  });
});

describe("function handles", () => {
  test("P-C-6 S4-18 a component runs the function that the app gave it, in one transaction with its own writes", async () => {
    const name = newName();
    expect(await valueOf(api.mutation("main:giveHandle", { name, n: 6 }))).toBe("noted by the app: added 6");
    expect(await valueOf(api.query("main:notesOf", { name }))).toEqual(["added 6"]);
    expect(await valueOf(api.admin("lib:read", { name }, "second"))).toBe(6);
    expect(await valueOf(api.action("main:giveHandleToAction", { name }))).toBe("noted by the app: told");
    expect(await valueOf(api.query("main:notesOf", { name }))).toEqual(["added 6", "told"]);
  });

  test("P-C-6 S4-18 the app runs a component's internal function by a handle the component gave away", async () => {
    const name = newName();
    const handle = await valueOf(api.query("main:hiddenHandle"));
    expect(await valueOf(api.action("main:useHandle", { handle, args: { name, n: 9 } }))).toBeNull();
    expect(await valueOf(api.query("main:readFirst", { name }))).toBe(9);
    expect(await errorOf(api.action("main:useHandle", { handle, args: { name, n: "9" } }))).toContain(
      "ArgumentValidationError",
    );
  });
});

describe("other versions of the app", () => {
  async function deploy(): Promise<Awaited<ReturnType<typeof convex>>> {
    return convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
  }

  test("P-C-4 E-D-5 a Node action in a component fails the push", async () => {
    const file = join(app.path, "convex/counter/node.ts");
    writeFileSync(
      file,
      '"use node";\nimport { action } from "./_generated/server";\nexport const f = action({ handler: () => 1 });\n',
    );
    const failed = await deploy();
    rmSync(file);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/"use node" directive is not supported in components/);
    expect(await valueOf(api.query("main:readFirst", { name: "unknown" }))).toBe(0);
  });

  test("S4-19 E-A-8 the handle of a component that is gone says so, and works again when the component is back", async () => {
    const name = newName();
    const handle = await valueOf(api.mutation("main:storeHandle", { name }));
    const use = (n: number) => api.action("main:useHandle", { handle, args: { name, n } });
    expect(await valueOf(use(1))).toEqual(expect.any(String));

    const source = join(FIXTURES, "components-app/convex");
    const config = readFileSync(join(source, "convex.config.ts"), "utf8");
    writeFileSync(join(app.path, "convex/convex.config.ts"), config.replace(/app\.use\(counter, .*\n/, ""));
    const main = readFileSync(join(source, "main.ts"), "utf8");
    writeFileSync(join(app.path, "convex/main.ts"), main.replaceAll("components.second", "components.counter"));
    expect(await deploy()).toMatchObject({ code: 0 });
    expect(await errorOf(use(2))).toContain("Uncaught Error: Component not found");

    cpSync(source, join(app.path, "convex"), { recursive: true });
    expect(await deploy()).toMatchObject({ code: 0 });
    expect(await valueOf(use(4))).toEqual(expect.any(String));
    expect(await valueOf(api.admin("lib:read", { name }, "second"))).toBe(5);
  });
});
