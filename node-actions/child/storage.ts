type Arguments = Readonly<Record<string, unknown>>;
/** One operation of this call: its name and arguments, answered with the parsed result. */
type Ask = (op: string, args: object) => Promise<unknown>;

/** Real `fetch`, before user code could replace it. */
const transfer = globalThis.fetch;

/** `ctx.storage.store`: the bytes go straight to an upload URL, as a client's would (`abi.md` §6.4). */
export async function storeBlob({ requestId, version, blob, options }: Arguments, ask: Ask): Promise<string> {
  if (!(blob instanceof Blob)) {
    throw new Error(
      "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
    );
  }
  const uploadUrl = textOf(await ask("1.0/storageGenerateUploadUrl", { requestId, version }));
  const sha256 = typeof options === "object" && options !== null ? Reflect.get(options, "sha256") : undefined;
  const response = await transfer(uploadUrl, {
    method: "POST",
    body: blob,
    headers: {
      ...(blob.type === "" ? {} : { "content-type": blob.type }),
      ...(typeof sha256 === "string" ? { digest: `sha-256=${base64(sha256)}` } : {}),
    },
  });
  const body = await response.text();
  if (!response.ok) throw new Error(failureText(body, response.status));
  const answer: unknown = JSON.parse(body);
  return textOf(typeof answer === "object" && answer !== null ? Reflect.get(answer, "storageId") : undefined);
}

/** `ctx.storage.get`. */
export async function getBlob({ requestId, version, storageId }: Arguments, ask: Ask): Promise<Blob | null> {
  // E-E-10, as in the default runtime.
  if (typeof storageId !== "string") {
    throw new Error(`storage.get requires a string storageId but received ${String(storageId)}`);
  }
  const url = await ask("1.0/storageGetUrl", { requestId, version, storageId });
  if (url === null) return null;
  const response = await transfer(textOf(url));
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(failureText(await response.text(), response.status));
  return response.blob();
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw new Error("Your request couldn't be completed. Try again later.");
  return value;
}

/** `sha256` may be given in hex, as storage metadata shows it. */
function base64(digest: string): string {
  return /^[0-9a-f]{64}$/i.test(digest) ? Buffer.from(digest, "hex").toString("base64") : digest;
}

/** The deployment answers with `{code, message}`. */
function failureText(body: string, status: number): string {
  try {
    const parsed: unknown = JSON.parse(body);
    const message: unknown = typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, "message") : undefined;
    if (typeof message === "string") return message;
  } catch {
    // Not JSON: something between us and the deployment answered.
  }
  return `Storing or reading a file failed with HTTP status ${status}.`;
}
