import { expect, test } from "vitest";
import { decodeRpcAnswer, encodeRpcError, encodeRpcValue } from "../../../src/protocol/rpc-error.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";

function caught(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

test("RPC1 a coded error crosses with class, code, message and data", () => {
  const error = new CodedError("RateLimited", "TooManyWrites", "text", { data: '{"a":1}' });
  const decoded = caught(() => decodeRpcAnswer(encodeRpcError(error)));
  expect(decoded).toBeInstanceOf(CodedError);
  expect(decoded).toMatchObject({ errorClass: "RateLimited", code: "TooManyWrites", message: "text", data: '{"a":1}' });
});

test("RPC2 a bug crosses bare", () => {
  const decoded = caught(() => decodeRpcAnswer(encodeRpcError(new TypeError("secret"))));
  expect(decoded).not.toBeInstanceOf(CodedError);
  expect(String(decoded)).not.toContain("secret");
});

test("RPC3 a failed outcome is a value, not an error", () => {
  expect(decodeRpcAnswer(encodeRpcValue('{"ok":false,"error":{"message":"x"}}'))).toEqual({
    ok: false,
    error: { message: "x" },
  });
});
