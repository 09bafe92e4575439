import { expect, test } from "vitest";
import { DEFAULT_FETCHED_JSON, FetchedJson } from "../../../src/auth/fetched-json.ts";

const URL = "https://issuer.test/jwks";

test("TOKEN1 who waits for a document that another request began and never ends reads it himself", async () => {
  const asked: string[] = [];
  const documents = new FetchedJson(
    async (url) => {
      asked.push(url);
      // The request of a client that has hung up: nothing of it goes on.
      if (asked.length === 1) await new Promise(() => undefined);
      return Response.json({ keys: [] });
    },
    { now: () => Date.now() },
    { ...DEFAULT_FETCHED_JSON, timeoutMs: 20 },
  );
  void documents.get(URL);
  expect(await Promise.all([documents.get(URL), documents.get(URL)])).toMatchObject([
    { json: { keys: [] } },
    { json: { keys: [] } },
  ]);
  expect(asked).toHaveLength(2);
});
