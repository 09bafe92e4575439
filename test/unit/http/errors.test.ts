import { describe, expect, test } from "vitest";
import { CodedError, type ErrorClass } from "../../../src/shared/coded-error.ts";
import { backend } from "./backend.ts";

const CALL = { path: "m:f", args: {} };

/** `wire.md` §2.6. */
const TABLE: readonly (readonly [ErrorClass, number])[] = [
  ["BadRequest", 400],
  ["PaginationLimit", 400],
  ["Unauthenticated", 401],
  ["AuthUpdateFailed", 401],
  ["Forbidden", 403],
  ["NotFound", 404],
  ["ClientDisconnect", 408],
  ["Conflict", 409],
  ["RateLimited", 429],
  ["OCC", 503],
  ["OutOfRetention", 503],
  ["Overloaded", 503],
  ["RejectedBeforeExecution", 503],
  ["FeatureTemporarilyUnavailable", 503],
];

describe("errors", () => {
  test.each(TABLE)("ERR1 %s is %i with code and message", async (errorClass, status) => {
    const { functions, log, post } = backend();
    functions.failure = new CodedError(errorClass, "SomeCode", "Some text.");
    const response = await post("/api/mutation", CALL);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({ code: "SomeCode", message: "Some text." });
    expect(log.errors).toEqual([]);
  });

  test("ERR2 E-C-17 a bug of ours is logged whole and answered bare", async () => {
    const { functions, log, post } = backend();
    functions.failure = new Error("secret detail", { cause: "why" });
    const response = await post("/api/query", CALL);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({
      code: "InternalServerError",
      message: "Your request couldn't be completed. Try again later.",
    });
    expect(log.errors).toEqual([{ event: "http.request_failed", error: functions.failure }]);
  });

  test("ERR3 an error without code and message has an empty body", async () => {
    const { functions, post } = backend();
    functions.failure = new CodedError("ClientDisconnect", "", "");
    const response = await post("/api/query", CALL);
    expect(response.status).toBe(408);
    expect(await response.text()).toBe("");
  });
});
