import type { BlobHead, SyscallResponse } from "../../protocol/invocation.ts";
import type { Call } from "./call.ts";
import { actionOnly } from "./forbidden.ts";
import { charge } from "./memory-globals.ts";
import { RealRequest, RealResponse } from "./originals.ts";
import { currentCall } from "./running.ts";
import { rejection } from "./syscall-response.ts";

type Arguments = Readonly<Record<string, unknown>>;
type JsSyscall = (args: Arguments) => unknown;

const JS_SYSCALLS: Readonly<Record<string, JsSyscall>> = {
  requestFromConvexJson,
  convexJsonFromResponse,
  "storage/storeBlob": storeBlob,
  "storage/getBlob": getBlob,
};

export function jsSyscall(op: string): JsSyscall | undefined {
  return Object.hasOwn(JS_SYSCALLS, op) ? JS_SYSCALLS[op] : undefined;
}

function runningAction(what: string): Call {
  const refusal = actionOnly(what);
  const call = currentCall();
  if (refusal !== undefined || call === undefined) throw refusal ?? new Error(`${what} needs a running call`);
  return call;
}

interface RequestJson {
  readonly headerPairs: [string, string][];
  readonly url: string;
  readonly method: string;
  readonly streamId: string | null;
}

function requestFromConvexJson({ convexJson }: Arguments): Request {
  const { headerPairs, url, method, streamId } = convexJson as RequestJson;
  const body = streamId === null ? null : (currentCall()?.streams.get(streamId) ?? null);
  return new RealRequest(url, { method, headers: headerPairs, body });
}

function convexJsonFromResponse({ response }: Arguments): object {
  if (!(response instanceof RealResponse)) throw new Error("HTTP actions must return a Response");
  const streams = currentCall()?.streams;
  let streamId: string | null = null;
  if (response.body !== null && streams !== undefined) {
    streamId = String(streams.size + 1);
    streams.set(streamId, response.body);
  }
  return { headerPairs: [...response.headers], status: response.status, streamId, url: response.url || undefined };
}

async function storeBlob({ blob, options }: Arguments): Promise<string> {
  const call = runningAction("storage.store()");
  if (!(blob instanceof Blob)) {
    throw new Error(
      "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
    );
  }
  const sha256 = (options as { sha256?: string } | undefined)?.sha256 ?? null;
  const head: BlobHead = { size: blob.size, contentType: blob.type === "" ? null : blob.type, sha256 };
  const finish = call.beginOperation("storageStore");
  try {
    return resultOf(await call.host.storeBlob(JSON.stringify(head), blob.stream())) as string;
  } finally {
    finish();
  }
}

async function getBlob({ storageId }: Arguments): Promise<Blob | null> {
  const call = runningAction("storage.get()");
  if (typeof storageId !== "string") {
    throw new Error(`storage.get requires a string storageId but received ${String(storageId)}`);
  }
  const finish = call.beginOperation("storageGet");
  try {
    const { answer, bytes } = await call.host.getBlob(storageId);
    const head = resultOf(answer) as BlobHead | null;
    if (head === null || bytes === null) return null;
    const memory = charge(head.size);
    const blob = new Blob([await new RealResponse(bytes).arrayBuffer()], { type: head.contentType ?? "" });
    memory?.keep(head.size, blob);
    return blob;
  } finally {
    finish();
  }
}

/** The host's answer is its own; the types are those of the protocol. */
function resultOf(text: string): unknown {
  const response: SyscallResponse = JSON.parse(text);
  if (!response.ok) throw rejection(response);
  return JSON.parse(response.result);
}
