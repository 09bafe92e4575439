import { CodedError, badRequest } from "../../shared/coded-error.ts";
import { type JsonObject, type JsonValue, isJsonObject } from "../../shared/json.ts";

/** User code can reach the host past the package, so the text may be anything. */
export function parseSyscallArguments(op: string, text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CodedError("BadRequest", "InvalidArguments", `Invalid arguments for \`${op}\`: expected JSON`, { cause });
  }
}

/** The arguments of one syscall, with the uniform texts of `abi.md` §2.1.3. `fn` is the name those texts use. */
export class SyscallArguments {
  readonly #args: JsonObject;
  readonly fn: string;

  constructor(args: JsonValue, fn: string) {
    if (!isJsonObject(args))
      throw badRequest("InvalidArguments", `Invalid arguments for \`${fn}\`: expected an object`);
    this.#args = args;
    this.fn = fn;
  }

  /** The same arguments under another name. */
  as(fn: string): SyscallArguments {
    return new SyscallArguments(this.#args, fn);
  }

  /** `undefined` when absent. */
  value(name: string): JsonValue | undefined {
    return Object.hasOwn(this.#args, name) ? this.#args[name] : undefined;
  }

  string(name: string): string {
    const value = this.#required(name);
    if (typeof value !== "string") throw this.invalid(name, "expected a string");
    return value;
  }

  /** Absent and null are alike. */
  optionalString(name: string): string | null {
    const value = this.value(name);
    return value === undefined || value === null ? null : this.string(name);
  }

  boolean(name: string): boolean {
    const value = this.#required(name);
    if (typeof value !== "boolean") throw this.invalid(name, "expected a boolean");
    return value;
  }

  integer(name: string): number {
    const value = this.#required(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw this.invalid(name, "expected an integer");
    if (value < 0) throw this.invalid(name, "expected a non-negative integer");
    return value;
  }

  /** Absent and null are alike. */
  optionalInteger(name: string): number | null {
    const value = this.value(name);
    return value === undefined || value === null ? null : this.integer(name);
  }

  /** The npm version that the call was made with, which must be one if it is there. */
  checkVersion(): void {
    const version = this.optionalString("version");
    if (version !== null && !/^\d+\.\d+\.\d+/.test(version)) throw this.invalid("version", `${version} is no version`);
  }

  /** Runs a check of one argument: a mistake it finds is reported as that argument's. */
  check<T>(name: string, body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      throw new CodedError(error.errorClass, error.code, this.#text(name, error.message), { cause: error });
    }
  }

  invalid(name: string, reason: string): CodedError {
    return badRequest("InvalidArgument", this.#text(name, reason));
  }

  #required(name: string): JsonValue {
    const value = this.value(name);
    if (value !== undefined) return value;
    throw badRequest("InvalidArguments", `Invalid arguments for \`${this.fn}\`: missing field \`${name}\``);
  }

  #text(name: string, reason: string): string {
    return `Invalid argument \`${name}\` for \`${this.fn}\`: ${reason}`;
  }
}
