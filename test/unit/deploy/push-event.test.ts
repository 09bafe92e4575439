import { expect, test } from "vitest";
import { MAX_EVENT } from "../../../src/deploy/history.ts";
import { pushEvent } from "../../../src/deploy/push-event.ts";

const AUTH = { added: [], removed: [] };

function component(modules: number, schema: number) {
  return {
    diffType: { type: "modify" },
    moduleDiff: { added: Array.from({ length: modules }, (_, n) => `module${n}.js`), removed: [] },
    schemaDiff: { previous_schema: null, next_schema: "s".repeat(schema) },
  };
}

test("HIST3 a push is told whole, a long one without its schemas, a very long one without its components", () => {
  const told = (modules: number, schema: number) =>
    pushEvent({ authDiff: AUTH, componentDiffs: { "": component(modules, schema) } }).metadata["component_diffs"];
  expect(told(2, 10)).toEqual([{ component_path: null, component_diff: component(2, 10) }]);
  expect(told(2, MAX_EVENT)).toEqual([
    { component_path: null, component_diff: { ...component(2, 0), schemaDiff: null } },
  ]);
  expect(told(MAX_EVENT / 8, 10)).toEqual([]);
});
