import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";

let backend: TestBackend;

beforeAll(async () => {
  backend = await startBackend();
});

afterAll(() => backend?.stop());

async function refusal(http: string): Promise<string> {
  const imports = `import { httpActionGeneric as httpAction, httpRouter } from "convex/server";\nconst http = httpRouter();\n`;
  using app = new ConvexApp({ "convex/http.ts": imports + http });
  return await app.failedDeploy(backend);
}

const handler = "handler: httpAction(async () => new Response())";

test.each([
  ["export const x = http;", "`convex/http.js` must have a default export of a Router."],
  ["export default { routes: [] };", "The default export of `convex/http.js` is not a Router."],
])("E-D-12 %s", async (http, text) => {
  expect(await refusal(http)).toContain(text);
});

const MISTAKES = [
  [`http.route({ path: "/x", method: "GET" });`, "route requires handler"],
  [`http.route({ path: "/x", ${handler} });`, "route requires method"],
  [`http.route({ path: "x", method: "GET", ${handler} });`, "path 'x' does not start with a /"],
  [
    `for (const _ of [1, 2]) http.route({ path: "/x", method: "GET", ${handler} });`,
    "Path '/x' for method GET already in use",
  ],
  [`http.route({ path: "/.files/x", method: "GET", ${handler} });`, "path '/.files/x' is reserved"],
  [`http.route({ pathPrefix: "/x", method: "GET", ${handler} });`, "pathPrefix /x must end with a /"],
] as const;

test.each(MISTAKES)("E-D-14 %s", async (http, text) => {
  expect(await refusal(`${http}\nexport default http;`)).toContain(text);
});
