import { expect, test } from "vitest";
import { keyInterval } from "../../../src/engine/index-key.ts";
import { audienceOf } from "../../../src/sync/audience.ts";
import type { QueryVersion } from "../../../src/sync/subscribed-query.ts";
import { Subscriptions } from "../../../src/sync/subscriptions.ts";

const CALL = { udfPath: "cells:get", componentPath: "", args: "[{}]" };
const NOBODY = audienceOf({ kind: "none" });

/** A result of `CALL` at `from` that read one key. */
function version(from: number, key: string): QueryVersion {
  return {
    from,
    until: null,
    fingerprint: `at ${from}`,
    text: null,
    journal: null,
    readsIdentity: false,
    reads: [["cells", [keyInterval(key)]]],
  };
}

test("SYNC1 a result of a run that outlasted what is kept of commits is stale, whatever they wrote", () => {
  const subscriptions = new Subscriptions<string>();
  subscriptions.start(100);
  const query = subscriptions.join(CALL, NOBODY, null, "a client");
  // While the query runs at 100, more is written than is kept.
  const keys = Array.from({ length: 30_000 }, (_, i) => ["cells", i.toString(16)] as const);
  subscriptions.apply([{ ts: 101, keys: [["cells", "AA"]] }]);
  for (let ts = 102; ts < 105; ts++) subscriptions.apply([{ ts, keys }]);
  subscriptions.trim(100);
  expect([...subscriptions.settle(query, version(100, "AA"))]).toEqual(["a client"]);
  expect(query.current?.until).not.toBeNull();
});

test("SYNC1 a result is stale from the first commit on that wrote what it read, and only then", () => {
  const subscriptions = new Subscriptions<string>();
  subscriptions.start(100);
  const query = subscriptions.join(CALL, NOBODY, null, "a client");
  subscriptions.apply([
    { ts: 101, keys: [["cells", "BB"]] },
    { ts: 102, keys: [["others", "AA"]] },
  ]);
  expect([...subscriptions.settle(query, version(100, "AA"))]).toEqual([]);
  expect(query.current?.until).toBeNull();
  const stale = subscriptions.apply([
    {
      ts: 103,
      keys: [
        ["cells", "BB"],
        ["cells", "AA"],
      ],
    },
    { ts: 104, keys: [["cells", "AA"]] },
  ]);
  expect([...stale]).toEqual(["a client"]);
  expect(query.current?.until).toBe(103);
});
