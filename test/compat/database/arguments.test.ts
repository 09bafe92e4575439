import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

let backend: TestBackend;
let client: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "database") });
  client = new FunctionClient(backend.url);
});

afterAll(() => backend?.stop());

const VALIDATOR =
  'Validator: v.object({count: v.optional(v.float64()), inner: v.optional(v.object({list: v.array(v.object({n: v.int64()}))})), mode: v.optional(v.literal("on")), owner: v.optional(v.id("owners")), text: v.string()})';

const typed = (args: Record<string, unknown>) => client.query("arguments:typed", args);

describe("argument validation", () => {
  test("P-F-3 P-F-4 validators know the tables that the mutation itself brings into existence", async () => {
    expect(await failure(client.mutation("arguments:bringsNewcomers", { fails: true }))).toContain("taken back");
    expect(await client.mutation("arguments:bringsNewcomers", {})).toEqual({
      first: expect.any(String),
      job: expect.any(String),
    });
  });

  test("E-B-1 a missing field is named with the object and its validator", async () => {
    expect(await failure(typed({ count: 1 }))).toBe(
      `ArgumentValidationError: Object is missing the required field \`text\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.\n\nObject: {count: 1.0}\n${VALIDATOR}\n`,
    );
  });

  test("E-B-1 a missing field deep inside has its path", async () => {
    expect(await failure(typed({ text: "", inner: { list: [{ n: 1n }, {}] } }))).toContain(
      "ArgumentValidationError: Object is missing the required field `n`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\nPath: .inner.list[1]\nObject: {}\nValidator: v.object({n: v.int64()})",
    );
  });

  test("E-B-2 an extra field is named", async () => {
    expect(await failure(typed({ text: "", more: null }))).toBe(
      `ArgumentValidationError: Object contains extra field \`more\` that is not in the validator.\n\nObject: {more: null, text: ""}\n${VALIDATOR}\n`,
    );
  });

  test("E-B-3 a value of another type is shown with its path and validator", async () => {
    expect(await failure(typed({ text: 1 }))).toContain(
      "ArgumentValidationError: Value does not match validator.\nPath: .text\nValue: 1.0\nValidator: v.string()",
    );
    // An int64 is no number.
    expect(await failure(typed({ text: "", count: 1n }))).toContain(
      "Value does not match validator.\nPath: .count\nValue: 1\nValidator: v.float64()",
    );
  });

  test("E-B-4 an id of another table is named with both tables; what is no id is a wrong type", async () => {
    const [other] = await client.mutation<string[]>("queries:seed", { table: "strict", documents: [{ name: "a" }] });
    expect(await failure(typed({ text: "", owner: other }))).toContain(
      `ArgumentValidationError: Found ID "${other}" from table \`strict\`, which does not match the table name in validator \`v.id("owners")\`.`,
    );
    expect(await failure(typed({ text: "", owner: "no id" }))).toContain(
      'Value does not match validator.\nPath: .owner\nValue: "no id"\nValidator: v.id("owners")',
    );
    const [owner] = await client.mutation<string[]>("queries:seed", { table: "owners", documents: [{ name: "a" }] });
    expect(await typed({ text: "", owner })).toEqual(["owner", "text"]);
  });

  test("E-B-5 another literal is shown beside the one that is wanted", async () => {
    expect(await failure(typed({ text: "", mode: "off" }))).toContain(
      'ArgumentValidationError: `"off"` does not match literal validator `v.literal("on")`.',
    );
  });
});

describe("calls", () => {
  test.each([
    ["get", "Must provide arg 1 `id` to `get`"],
    ["patch", "Must provide arg 1 `id` to `patch`"],
    ["replace", "Must provide arg 1 `id` to `replace`"],
    ["delete", "Must provide arg 1 `id` to `delete`"],
  ])("E-B-12 ctx.db.%s() without arguments", async (what, text) => {
    expect(await failure(client.mutation("arguments:forgetful", { what }))).toContain(text);
  });

  async function post(body: string, headers: Record<string, string> = { "content-type": "application/json" }) {
    const response = await fetch(`${backend.url}/api/query`, { method: "POST", headers, body });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  test("E-B-13 a body that is not JSON, and one that does not say that it is", async () => {
    expect(await post("{", undefined)).toMatchObject({ status: 400, body: { code: "BadJsonBody" } });
    expect(await post("{}", { "content-type": "text/plain" })).toMatchObject({
      status: 400,
      body: { code: "BadJsonBody", message: "Expected request with `Content-Type: application/json`" },
    });
  });

  test("E-B-14 an unknown format", async () => {
    const body = JSON.stringify({ path: "arguments:anything", args: { value: 1 }, format: "yaml" });
    expect(await post(body)).toMatchObject({ status: 400, body: { code: "BadFormat" } });
  });

  const NO_VALUES = [
    { value: { $integer: "AA==" } },
    { value: { $unknown: 1 } },
    { value: { $float: "AAAAAAAA8D8=" } },
    { value: Array.from({ length: 8193 }, () => 0) },
  ];

  test.each(NO_VALUES)("E-B-15 an argument that is no Convex value %#", async (args) => {
    const { status, body } = await post(JSON.stringify({ path: "arguments:anything", args, format: "json" }));
    const text = JSON.stringify(body);
    expect({ status, text }).toEqual({ status: expect.any(Number), text: expect.stringContaining("arguments") });
    expect(text).toMatch(/Invalid arguments for arguments(\.js)?:anything: /);
  });
});
