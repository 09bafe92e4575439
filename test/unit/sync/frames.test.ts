import { expect, test } from "vitest";
import { parseClientMessage, type ServerMessage } from "../../../src/protocol/sync.ts";
import { cutByBytes, transitionFrames } from "../../../src/sync/chunks.ts";
import { encodeServerMessage, queryFailed, queryUpdated } from "../../../src/sync/server-frames.ts";

/** Frames as clients send and read them (`wire.md` §3.3, §3.4). */

const SESSION = "0b1b4a52-6a4e-4c8f-9d11-8f2f5f0a6f10";

test.for([
  `{"type":"Connect","sessionId":"${SESSION}","connectionCount":0,"lastCloseReason":"InitialConnect","maxObservedTimestamp":"AAAAAAAAAAA=","clientTs":1795169862379}`,
  `{"type":"Connect","sessionId":"${SESSION}","connectionCount":3,"lastCloseReason":null}`,
  `{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"messages:list","args":[{"channel":"c"}],"journal":null,"componentPath":"a"},{"type":"Remove","queryId":3}]}`,
  `{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[]}`,
  `{"type":"Mutation","requestId":7,"udfPath":"messages:send","args":[{}]}`,
  `{"type":"Action","requestId":4294967295,"udfPath":"ai:run","args":[{}]}`,
  `{"type":"Authenticate","baseVersion":0,"tokenType":"User","value":"a.b.c"}`,
  `{"type":"Authenticate","baseVersion":1,"tokenType":"Admin","value":"key"}`,
  `{"type":"Authenticate","baseVersion":1,"tokenType":"Admin","value":"key","acting_as":{"issuer":"i","subject":"s"}}`,
  `{"type":"Authenticate","baseVersion":2,"tokenType":"None"}`,
])("SYNC20 is taken as it is: %s", (text) => {
  expect(parseClientMessage(text)).toEqual(JSON.parse(text));
});

test("SYNC20 unknown fields and the payload of an event are ignored", () => {
  expect(parseClientMessage(`{"type":"Event","eventType":"x","event":[1]}`)).toEqual({ type: "Event" });
});

test.for([
  "",
  "null",
  "[]",
  `{"type":"Subscribe"}`,
  `{"type":"Connect","sessionId":"me","connectionCount":0}`,
  `{"type":"Mutation","requestId":7,"udfPath":"messages:send"}`,
  `{"type":"Mutation","requestId":-1,"udfPath":"messages:send","args":[]}`,
  `{"type":"Mutation","requestId":4294967296,"udfPath":"messages:send","args":[]}`,
  `{"type":"Mutation","requestId":1.5,"udfPath":"messages:send","args":[]}`,
  `{"type":"Authenticate","baseVersion":0,"tokenType":"Password","value":"x"}`,
])("SYNC21 is no message: %s", (text) => {
  expect(parseClientMessage(text)).toBeNull();
});

const V0 = { querySet: 0, identity: 0, ts: 0 };
const V1 = { querySet: 1, identity: 2, ts: 1_795_169_862_379_000 };

test.for<[ServerMessage, string]>([
  [
    {
      type: "Transition",
      startVersion: V0,
      endVersion: V1,
      modifications: [
        { queryId: 0, result: queryUpdated(`{"a":1}`, ["[LOG] 'x'"], null) },
        { queryId: 1, result: queryFailed({ message: "no", data: `{"code":1}` }, [], "j") },
        { queryId: 2, result: "removed" },
      ],
      clientClockSkew: -12,
      serverTime: 1_795_169_862_379,
    },
    `{"type":"Transition","startVersion":{"querySet":0,"identity":0,"ts":"AAAAAAAAAAA="},"endVersion":{"querySet":1,"identity":2,"ts":"wFCWhnq56Rg="},"modifications":[{"type":"QueryUpdated","queryId":0,"value":{"a":1},"logLines":["[LOG] 'x'"],"journal":null},{"type":"QueryFailed","queryId":1,"errorMessage":"no","errorData":{"code":1},"logLines":[],"journal":"j"},{"type":"QueryRemoved","queryId":2}],"clientClockSkew":-12,"serverTs":1795169862379000000}`,
  ],
  [
    { type: "MutationResponse", requestId: 7, result: { ok: true, value: `"id"` }, logLines: [], ts: V1.ts },
    `{"type":"MutationResponse","requestId":7,"success":true,"result":"id","ts":"wFCWhnq56Rg=","logLines":[]}`,
  ],
  [
    {
      type: "MutationResponse",
      requestId: 7,
      result: { ok: false, message: "no", data: "null" },
      logLines: ["[WARN] x"],
      ts: null,
    },
    `{"type":"MutationResponse","requestId":7,"success":false,"result":"no","errorData":null,"ts":null,"logLines":["[WARN] x"]}`,
  ],
  [
    { type: "ActionResponse", requestId: 8, result: { ok: true, value: "null" }, logLines: [] },
    `{"type":"ActionResponse","requestId":8,"success":true,"result":null,"logLines":[]}`,
  ],
  [
    { type: "AuthError", error: "no", baseVersion: 1, authUpdateAttempted: true },
    `{"type":"AuthError","error":"no","baseVersion":1,"authUpdateAttempted":true}`,
  ],
  [{ type: "FatalError", error: "no" }, `{"type":"FatalError","error":"no"}`],
])("SYNC22 %o is written as clients read it", ([message, text]) => {
  expect(encodeServerMessage(message)).toBe(text);
});

test("SYNC23 pieces stay within their bytes, split no surrogate pair, and are the text together", () => {
  const text = `${"a".repeat(7)}é漢😀`.repeat(50);
  for (let limit = 4; limit < 40; limit++) {
    const pieces = cutByBytes(text, limit);
    expect(pieces.join("")).toBe(text);
    for (const piece of pieces) {
      expect(new TextEncoder().encode(piece).length).toBeLessThanOrEqual(limit);
      expect(piece.isWellFormed()).toBe(true);
    }
  }
  expect(transitionFrames("short", 100)).toEqual(["short"]);
  const chunks = transitionFrames(text, 100).map((frame) => JSON.parse(frame) as Record<string, unknown>);
  expect(chunks.map(({ chunk }) => chunk).join("")).toBe(text);
  for (const [partNumber, chunk] of chunks.entries()) {
    expect(chunk).toMatchObject({
      type: "TransitionChunk",
      partNumber,
      totalParts: chunks.length,
      transitionId: "550",
    });
  }
});
