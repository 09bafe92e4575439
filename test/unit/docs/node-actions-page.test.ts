import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { NODE_ACTIONS_PAGE, nodeActionsPage } from "../../../scripts/node-actions-docs.ts";

test("DOC3 the settings in docs/node-actions.md are what the table says (npm run docs)", () => {
  const page = readFileSync(NODE_ACTIONS_PAGE, "utf8");
  expect(page).toContain("`CONVECTION_NODE_EXECUTIONS`");
  expect(nodeActionsPage(page)).toBe(page);
});
