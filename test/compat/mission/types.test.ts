import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy } from "../../support/convex-cli.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";

/** What TypeScript says about apps, with the code that the official CLI generates while it pushes. */

let app: AppCopy;
let backend: TestBackend;

/** An action that returns what a function of its own file returns. */
function circular(result: string, answer: string): string {
  return `import { api } from "./_generated/api";
import { action, query } from "./_generated/server";

export const getSomething = query({ args: {}, handler: () => null });

export const doSomething = action({
  args: {},
  handler: async (ctx)${answer} => {
    const result${result} = await ctx.runQuery(api.circular.getSomething);
    return result;
  },
});
`;
}

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "mission-app"));
  writeFileSync(join(app.path, "convex/circular.ts"), circular(": null", ""));
  backend = await startBackend({ app: app.path });
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

/** Checks the app and one more file. */
async function check(file?: string): Promise<{ code: number; output: string }> {
  const config = join(app.path, "tsconfig.check.json");
  const include = ["convex/**/*", ...(file === undefined ? [] : [`typecheck/${file}`])];
  writeFileSync(config, JSON.stringify({ extends: "./convex/tsconfig.json", include, exclude: [] }));
  const tsc = new Spawned(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config], {
    cwd: app.path,
  });
  return { code: await tsc.exited, output: tsc.stdout };
}

describe("an action that returns the result of a function in its own file", () => {
  const CIRCULAR =
    "implicitly has type 'any' because it does not have a type annotation and is referenced directly or indirectly " +
    "in its own initializer";

  test.each([
    ["the variable annotated", ": null", ""],
    ["the return type annotated", "", ": Promise<null>"],
  ])("S0-23 with %s it is clean", async (_what, result, answer) => {
    writeFileSync(join(app.path, "convex/circular.ts"), circular(result, answer));
    expect(await check()).toEqual({ code: 0, output: "" });
  });

  test("S0-23 without annotation TypeScript says that the types go in a circle", async () => {
    writeFileSync(join(app.path, "convex/circular.ts"), circular("", ""));
    const { code, output } = await check();
    expect(code).not.toBe(0);
    expect(output).toContain(`'doSomething' ${CIRCULAR}`);
  });

  test.each([
    ["the variable", ": string", ""],
    ["the return type", "", ": Promise<string>"],
  ])("S0-23 a wrong annotation of %s is found", async (_what, result, answer) => {
    writeFileSync(join(app.path, "convex/circular.ts"), circular(result, answer));
    const { code, output } = await check();
    expect(code).not.toBe(0);
    expect(output).toMatch(/convex\/circular\.ts.*error TS2322: Type 'null' is not assignable to type/);
    expect(output).not.toContain(CIRCULAR);
  });
});

describe("contexts", () => {
  beforeAll(() => writeFileSync(join(app.path, "convex/circular.ts"), circular(": null", "")));

  test("S0-31 a helper for queries does not take an ActionCtx", async () => {
    const { code, output } = await check("helpers-refuse.ts");
    expect(code).not.toBe(0);
    expect(output).toMatch(
      /helpers-refuse\.ts.*Argument of type 'ActionCtx' is not assignable to parameter of type 'QueryCtx'/,
    );
  });

  test("S0-31 a helper for what contexts share takes each of them", async () => {
    expect(await check("helpers-accept.ts")).toEqual({ code: 0, output: "" });
  });

  test("S0-48 the types for annotations come from the generated code and the package", async () => {
    expect(await check("annotations.ts")).toEqual({ code: 0, output: "" });
  });
});
