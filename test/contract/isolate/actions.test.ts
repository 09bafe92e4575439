import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IsolateFixture, type Json } from "./support.ts";

let isolate: IsolateFixture;
beforeAll(async () => {
  isolate = await IsolateFixture.start();
});
afterAll(() => isolate.dispose());

const TOO_MANY =
  "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.";

describe("operations", () => {
  test("S0-42 a thousand at once run, and the next one is refused", async () => {
    const thousand = await isolate.run("action", "actions:many", { count: 1000 });
    expect(thousand.value).toEqual([1000, []]);
    const more = await isolate.run("action", "actions:many", { count: 1001 });
    expect(more.value).toEqual([1000, [TOO_MANY]]);
  });

  test("S0-42 fetches count and give their place back", async () => {
    const { value } = await isolate.run("action", "actions:fetchesCount", {}, { limits: { concurrentOperations: 2 } });
    expect(value).toEqual([`Error: ${TOO_MANY}`, 200]);
  });

  test("ISO29 syscalls of an action do not wait for each other", async () => {
    const report = await isolate.run("action", "actions:independent");
    expect(report.value).toEqual(["quick", "slow"]);
    expect(report.mostPending).toBe(2);
  });

  test("S0-45 operations still pending at the end are named, timers are not", async () => {
    const report = await isolate.run("action", "actions:unawaited");
    expect(report.value).toBe("returned");
    expect(report.unawaited).toEqual(["actions/mutation", "actions/query", "fetch"]);
  });

  test("ISO30 the error of a callee arrives whole", async () => {
    const { value } = await isolate.run("action", "actions:calleeFails");
    expect(value).toBe("Error: Uncaught Error: callee failed\n    at f (../convex/x.ts:1:2)\n");
  });

  test("ISO30 database syscalls do not exist in actions", async () => {
    expect(await isolate.value("action", "actions:databaseSyscall")).toBe("Error: Unknown operation 1.0/queryStream");
    expect(await isolate.value("action", "actions:metrics")).toContain("Unknown async operation");
  });
});

describe("timers and network", () => {
  test("P-F-9 timers fire in order, carry arguments and can be cleared", async () => {
    expect(await isolate.value("action", "actions:timers")).toEqual(["number", ["a+b", "second"], 3]);
  });

  test("ISO27 a timer keeps a call alive", async () => {
    expect(await isolate.value("action", "actions:onlyTimer")).toBe("woke");
  });

  test("P-F-7 fetch follows redirects and words its refusals", async () => {
    const { aborted, relative, ...rest } = await isolate.value("action", "actions:fetches");
    expect(rest).toEqual({
      post: { method: "POST", path: "/echo", body: "hi" },
      redirected: "/echo",
      afterPost: "GET",
      tooMany: "TypeError: fetch too many redirects",
      refused: "TypeError: fetch attempted redirect",
      refusedByRequest: "TypeError: fetch attempted redirect",
      manual: 302,
      scheme: "TypeError: Unsupported URL scheme -- http and https are supported (scheme was ftp)",
      data: "TypeError: Unsupported URL scheme -- http and https are supported (scheme was data)",
      lenient: 200,
    });
    expect(relative).toMatch(/^TypeError: /);
    expect(aborted).toMatch(/^(AbortError|TimeoutError): /);
  });

  test("ISO44 fetch says who it is unless the function does, and leaves the request alone", async () => {
    const said = ["Convex/1.0", "*/*"];
    expect(await isolate.value("action", "actions:defaultHeaders")).toEqual([said, ["mine", "text/html"], said, false]);
  });

  test("ISO44 a server that can't be reached is named in the error", async () => {
    expect(await isolate.value("action", "actions:lostConnection")).toBe(
      "Error: error sending request for url (http://host/lost?x=1)",
    );
  });

  test("P-F-13 an action may import a bundled module when it runs", async () => {
    expect(await isolate.value("action", "actions:dynamicImport")).toBe(42);
  });

  test("P-F-13 ISO36 an action that imports a module which is not there is told so in Convex's words", async () => {
    const { error } = await isolate.run("action", "actions:dynamicImportOfNothing");
    expect(error).toMatchObject({
      name: "Error",
      message: "Couldn't find JavaScript module 'nothing.js'. Did you forget to run `npx convex dev`?",
    });
  });

  test("ISO31 blobs cross to the host and back", async () => {
    expect(await isolate.value("action", "actions:blobs")).toEqual({
      id: "blob0:unchecked",
      checked: "blob1:abc",
      text: "hello",
      type: "text/plain",
      isBlob: true,
      gone: null,
      notBlob:
        "Error: store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
      notId: "Error: storage.get requires a string storageId but received 5",
    });
  });
});

describe("HTTP actions", () => {
  test("ISO32 the router finds the handler, which gets the request and may call functions", async () => {
    const { response, logs } = await isolate.serve("http://site.example/echo?x=1", { method: "POST", body: "hi" });
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({
      body: "hi",
      nested: { from: "http" },
      url: "http://site.example/echo?x=1",
    });
    expect((await logs()).map((line: Json) => line.messages)).toEqual([["'serving'"]]);
  });

  test("ISO32 the routed path of a component stands in for that of the URL", async () => {
    const { response } = await isolate.serve("http://site.example/mounted/prefix/a", {}, "/prefix/a");
    expect(await response.text()).toBe("/mounted/prefix/a");
  });

  test("E-D-15 no route is a 404 with its text", async () => {
    const { response } = await isolate.serve("http://site.example/nope");
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      404,
      "text/plain; charset=utf-8",
      "No matching routes found",
    ]);
  });

  test.each([
    ["/throws", "no luck"],
    ["/text", "HTTP actions must return a Response"],
  ])("E-D-13 %s fails before its head", async (path, message) => {
    const { response } = await isolate.serve(`http://site.example${path}`);
    expect(response.headers.get("x-form")).toBe("failed");
    expect(await response.json()).toMatchObject({ ok: false, error: { name: "Error", message } });
  });

  test("ISO32 a response may have no body, and a GET request has none", async () => {
    const empty = await isolate.serve("http://site.example/empty");
    expect(empty.response.status).toBe(204);
    const { response } = await isolate.serve("http://site.example/get");
    expect(await response.text()).toBe("null");
  });

  test("ISO43 a short text comes back in one message, a stream does not", async () => {
    const { response } = await isolate.serve("http://site.example/get");
    expect([response.headers.get("x-form"), await response.text()]).toEqual(["whole", "null"]);
    const { response: streamed } = await isolate.serve("http://site.example/stream");
    expect([streamed.headers.get("x-form"), await streamed.text()]).toEqual([null, "0;1;2;"]);
  });

  test("ISO33 a body that streams may call functions and print until its end", async () => {
    const { response, logs } = await isolate.serve("http://site.example/stream");
    expect(await response.text()).toBe("0;1;2;");
    expect((await logs()).map((line: Json) => line.messages.join(" "))).toEqual([
      "'chunk' 0",
      "'chunk' 1",
      "'chunk' 2",
    ]);
  });
});
