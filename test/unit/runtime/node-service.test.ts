import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { NodeService } from "../../../src/runtime/node/node-service.ts";
import type { CodedError } from "../../../src/shared/coded-error.ts";

/** What the caller learns, and how often the service was asked, when it treats requests like this. */
async function posted(trouble: "hangs up" | "refuses" | "is not there") {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume().on("end", () => {
      if (trouble === "hangs up") request.socket.destroy();
      else response.writeHead(503).end('{"code":"Draining","message":"Later.","retryable":true}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise((resolve) => server.close(resolve));
  if (trouble === "is not there") await close();
  const service = new NodeService({
    url: `http://127.0.0.1:${port}`,
    callbackUrl: "http://127.0.0.1",
    secrets: ["a".repeat(64)],
    clock: { now: () => Date.now() },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    log: { info: () => {}, warn: () => {}, error: () => {} },
  });
  const body = { v: 1, package: service.package({ hash: "h", bytes: 1, externals: [] }, null) } as const;
  const answer = await service.post("/prepare", body, new AbortController().signal).then(
    ({ refusal }) => refusal?.code,
    (error: CodedError) => error.code,
  );
  if (trouble !== "is not there") await close();
  return { answer, requests };
}

test("S0-43 a request to the Node service is sent once, whatever becomes of it", async () => {
  expect(await posted("hangs up")).toEqual({ answer: "NodeActionsUnavailable", requests: 1 });
  expect(await posted("refuses")).toEqual({ answer: "Draining", requests: 1 });
  expect(await posted("is not there")).toEqual({ answer: "NodeActionsUnavailable", requests: 0 });
});
