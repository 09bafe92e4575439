import { z } from "zod";
import type { JsonValue } from "../shared/json.ts";

/** Frames of the sync protocol (`wire.md` §3), one JSON object each. Unknown fields are ignored. */

const u32 = z.int().min(0).max(0xffff_ffff);

/** Positional arguments, exactly one object in modern code. Values are ConvexJSON and checked where they are used. */
const args = z.array(z.unknown());

const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i)
  .transform((text) => text.toLowerCase());

const connect = z.object({
  type: z.literal("Connect"),
  sessionId: uuid,
  connectionCount: u32,
  lastCloseReason: z.string().nullish(),
  maxObservedTimestamp: z.string().nullish(),
  clientTs: z.number().nullish(),
});

const addQuery = z.object({
  type: z.literal("Add"),
  queryId: u32,
  udfPath: z.string(),
  args: args.optional(),
  journal: z.string().nullish(),
  componentPath: z.string().nullish(),
});

const removeQuery = z.object({ type: z.literal("Remove"), queryId: u32 });

const modifyQuerySet = z.object({
  type: z.literal("ModifyQuerySet"),
  baseVersion: u32,
  newVersion: u32,
  modifications: z.array(z.discriminatedUnion("type", [addQuery, removeQuery])),
});

const callFields = { requestId: u32, udfPath: z.string(), args, componentPath: z.string().nullish() };
const mutation = z.object({ type: z.literal("Mutation"), ...callFields });
const action = z.object({ type: z.literal("Action"), ...callFields });

const authenticate = z.discriminatedUnion("tokenType", [
  z.object({ type: z.literal("Authenticate"), baseVersion: u32, tokenType: z.literal("None") }),
  z.object({ type: z.literal("Authenticate"), baseVersion: u32, tokenType: z.literal("User"), value: z.string() }),
  z.object({
    type: z.literal("Authenticate"),
    baseVersion: u32,
    tokenType: z.literal("Admin"),
    value: z.string(),
    impersonating: z.unknown().optional(),
    /** What Rust calls it. */
    acting_as: z.unknown().optional(),
  }),
]);

const event = z.object({ type: z.literal("Event") });

export const clientMessage = z.union([
  z.discriminatedUnion("type", [connect, modifyQuerySet, mutation, action, event]),
  authenticate,
]);

export type ClientMessage = z.infer<typeof clientMessage>;
export type Connect = z.infer<typeof connect>;
export type ModifyQuerySet = z.infer<typeof modifyQuerySet>;
export type Authenticate = z.infer<typeof authenticate>;
/** A mutation or an action. */
export type RequestMessage = z.infer<typeof mutation> | z.infer<typeof action>;

/** `ts`: microseconds, encoded on the wire. Each socket begins with zeros. */
export interface StateVersion {
  readonly querySet: number;
  readonly identity: number;
  readonly ts: number;
}

/** What a query's result looks like on the wire, behind its `queryId`. JSON text, so that it is made once and shared. */
export interface ResultText {
  readonly type: "QueryUpdated" | "QueryFailed";
  /** `"value":…,"logLines":[…],"journal":…` */
  readonly fields: string;
}

export type Modification =
  | { readonly queryId: number; readonly result: ResultText }
  | { readonly queryId: number; readonly result: "removed" };

/** Values and error data are JSON text already. */
export type ServerMessage =
  | {
      readonly type: "Transition";
      readonly startVersion: StateVersion;
      readonly endVersion: StateVersion;
      readonly modifications: readonly Modification[];
      /** Milliseconds. */
      readonly clientClockSkew: number | null;
      /** Milliseconds; nanoseconds on the wire. */
      readonly serverTime: number;
    }
  | {
      readonly type: "MutationResponse" | "ActionResponse";
      readonly requestId: number;
      readonly result: RequestResult;
      readonly logLines: readonly string[];
      /** Of a mutation, null when it failed; absent for actions. */
      readonly ts?: number | null;
    }
  | {
      readonly type: "AuthError";
      readonly error: string;
      readonly baseVersion: number;
      readonly authUpdateAttempted: boolean;
    }
  | { readonly type: "FatalError"; readonly error: string };

export type RequestResult =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly message: string; readonly data?: string };

export const PING = '{"type":"Ping"}';

/** Nesting beyond which nobody means well. Convex values end at 64. */
const MAX_DEPTH = 128;

/** Null: not JSON, or nothing that a client may say. */
export function parseClientMessage(text: string): ClientMessage | null {
  if (!isShallow(text)) return null;
  let json: JsonValue;
  try {
    json = JSON.parse(text);
  } catch {
    // Told apart from other malformed frames by nobody.
    return null;
  }
  const parsed = clientMessage.safeParse(json);
  return parsed.success ? parsed.data : null;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Before parsing: millions of nested arrays cost a hundred times the memory of their text. */
function isShallow(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) {
      inString = true;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH) return false;
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    }
  }
  return true;
}
