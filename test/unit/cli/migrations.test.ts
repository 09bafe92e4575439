import { expect, test } from "vitest";
import { statements } from "../../../src/cli/migrations.ts";

test.each([
  ["", []],
  ["SELECT 1", ["SELECT 1"]],
  ["SELECT 1;\n--> statement-breakpoint\nSELECT 2;\n", ["SELECT 1", "SELECT 2"]],
  [
    "INSERT INTO t VALUES ('a;b', 'it''s; fine', \"c;\", `d;`, [e;]);",
    ["INSERT INTO t VALUES ('a;b', 'it''s; fine', \"c;\", `d;`, [e;])"],
  ],
  ["-- a; comment\nSELECT 1 - 2 / 3; /* another; one */ SELECT 4", ["SELECT 1 - 2 / 3", "SELECT 4"]],
  [
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END; SELECT 3",
    ["CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END", "SELECT 3"],
  ],
])("MIG6 %j is split into its statements", (sql, expected) => {
  expect(statements(sql)).toEqual(expected);
});
