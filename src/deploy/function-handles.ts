import { z } from "zod";
import type { AppVersion } from "../protocol/app.ts";
import type { FunctionPath } from "../protocol/function-path.ts";
import { badRequest } from "../shared/coded-error.ts";
import { fromHex, toHex } from "../shared/bytes.ts";
import type { JsonValue } from "../shared/json.ts";
import { deriveKey, fromBase64Url, hmac, toBase64Url } from "./digest.ts";

/**
 * Catalog value: random key of all function handles, made by the first push. It is no deployment secret, because
 * handles are stored in tables for good and must survive a change of secret.
 */
export const HANDLE_KEY = "handleKey";

const encodedPath = z.tuple([z.string(), z.string(), z.string()]);

const SCHEME = "function://";
const TAG_BYTES = 16;

/**
 * Handles: `function://<id>`, where the id is the function's path, encrypted so that equal paths give equal ids
 * (a synthetic initialisation vector: tag = HMAC of the path, body = AES-CTR of the path with the tag as counter).
 * So making one writes nothing, queries may make them, one survives every push, and nobody can make one for a
 * function that was not handed to them.
 */
export class FunctionHandleCodec {
  readonly #mac: Promise<CryptoKey>;
  readonly #cipher: Promise<CryptoKey>;

  /** `key`: the catalog value `handleKey`. */
  constructor(key: string) {
    const bytes = fromHex(key);
    if (bytes.length !== 32) throw new Error("The key of function handles is malformed.");
    this.#mac = deriveKey(key, "convection function handle tag v1", "HMAC");
    this.#cipher = deriveKey(key, "convection function handle v1", "AES-CTR");
  }

  async encode(path: FunctionPath): Promise<string> {
    const text = JSON.stringify([path.component, path.module, path.function]);
    const tag = await this.#tag(text);
    const body = await crypto.subtle.encrypt(counter(tag), await this.#cipher, new TextEncoder().encode(text));
    const id = new Uint8Array(TAG_BYTES + body.byteLength);
    id.set(tag);
    id.set(new Uint8Array(body), TAG_BYTES);
    return SCHEME + toBase64Url(id);
  }

  /** The function in `app` that the handle names. A handle may carry `#<function>` behind its id, which says nothing. */
  async resolve(handle: string, app: AppVersion): Promise<FunctionPath> {
    const path = await this.#decode(handle);
    const component = Object.hasOwn(app.components, path.component) ? app.components[path.component] : undefined;
    if (component === undefined) throw badRequest("ComponentNotFound", "Component not found");
    const module = Object.hasOwn(component.modules, path.module) ? component.modules[path.module] : undefined;
    if (!module?.functions.some(({ name }) => name === path.function)) {
      throw badRequest("FunctionHandleNotFound", "Function handle not found");
    }
    return path;
  }

  async #decode(handle: string): Promise<FunctionPath> {
    if (!handle.startsWith(SCHEME)) throw invalidHandle(handle);
    const id = fromBase64Url(handle.slice(SCHEME.length).split("#")[0] ?? "");
    if (id === null || id.length <= TAG_BYTES) throw invalidHandle(handle);
    const tag = id.slice(0, TAG_BYTES);
    const text = new TextDecoder().decode(
      await crypto.subtle.decrypt(counter(tag), await this.#cipher, id.slice(TAG_BYTES)),
    );
    if (toHex(await this.#tag(text)) !== toHex(tag)) throw invalidHandle(handle);
    // The tag says that `encode` wrote this text.
    const [component, module, name] = encodedPath.parse(JSON.parse(text));
    return { component, module, function: name };
  }

  async #tag(text: string): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array((await hmac(await this.#mac, text)).subarray(0, TAG_BYTES));
  }
}

/** The key in the catalog. Before the first push there is none, and no function that a handle could name. */
export function handleKey(values: ReadonlyMap<string, JsonValue>): string {
  return z.string().parse(values.get(HANDLE_KEY));
}

function counter(tag: Uint8Array<ArrayBuffer>) {
  return { name: "AES-CTR", counter: tag, length: 128 };
}

function invalidHandle(handle: string) {
  return badRequest("InvalidFunctionHandle", `Invalid function handle ${handle}`);
}
