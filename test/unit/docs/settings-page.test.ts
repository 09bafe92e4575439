import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SETTINGS_PAGE, settingsPage } from "../../../scripts/settings-docs.ts";

test("DOC3 docs/settings.md is what the table of settings says (npm run docs)", () => {
  expect(readFileSync(SETTINGS_PAGE, "utf8")).toBe(settingsPage());
});
