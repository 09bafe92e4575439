import { describe, expect, test } from "vitest";
import { check, type Operation, type Recorded } from "../../support/proof/history.ts";

/** The checker has to find what it is there to find: each anomaly as the smallest history that shows it. */

let clock = 0;

/** A transaction that overlaps every other one, unless it says when it ran. */
function transaction(
  id: number,
  steps: readonly [operation: Operation, result?: readonly number[]][],
  more: Partial<Recorded> = {},
): Recorded {
  return {
    id,
    operations: steps.map(([operation]) => operation),
    results: steps.map(([, result]) => result ?? null),
    fate: "ok",
    start: 0,
    end: 1000,
    ...more,
  };
}

function after(): { start: number; end: number } {
  clock += 10;
  return { start: 2000 + clock, end: 2005 + clock };
}

const append = (k: string, v: number): [Operation] => [{ f: "append", k, v }];
const read = (k: string, saw: readonly number[]): [Operation, readonly number[]] => [{ f: "read", k }, saw];
const mark = (k: string, v: number): [Operation] => [{ f: "mark", k, v }];
const range = (k: string, from: number, to: number, saw: readonly number[]): [Operation, readonly number[]] => [
  { f: "range", k, from, to },
  saw,
];
const max = (k: string, from: number, to: number, saw: readonly number[]): [Operation, readonly number[]] => [
  { f: "max", k, from, to },
  saw,
];

describe("PROOF1 the checker of histories", () => {
  test("PROOF1 accepts a serial history", () => {
    const history = [
      transaction(1, [append("x", 1), read("x", [1])], after()),
      transaction(2, [read("x", [1]), append("x", 2), append("y", 3)], after()),
      transaction(3, [read("x", [1, 2]), read("y", [3]), mark("m", 5), range("m", 0, 9, [5])], after()),
      transaction(4, [range("m", 0, 9, [5]), max("m", 0, 9, [5]), range("m", 6, 9, [])], after()),
    ];
    expect(check(history)).toMatchObject({ anomalies: [], transactions: 4 });
  });

  test.each<[string, Recorded[]]>([
    [
      "a lost update",
      [
        transaction(1, [read("x", []), append("x", 1)]),
        transaction(2, [read("x", []), append("x", 2)]),
        transaction(3, [read("x", [1, 2])]),
      ],
    ],
    [
      "an acknowledged append that is gone",
      [transaction(1, [append("x", 1)]), transaction(2, [read("x", [])], after())],
    ],
    [
      "write skew",
      [
        transaction(1, [read("y", []), append("x", 1)]),
        transaction(2, [read("x", []), append("y", 2)]),
        transaction(3, [read("x", [1]), read("y", [2])]),
      ],
    ],
    [
      "write skew by phantoms",
      [
        transaction(1, [range("m", 0, 5, []), mark("m", 7)]),
        transaction(2, [range("m", 5, 9, []), mark("m", 3)]),
        transaction(3, [range("m", 0, 9, [3, 7])]),
      ],
    ],
    [
      "a phantom beside the largest of a range",
      [
        transaction(1, [max("m", 0, 9, []), mark("n", 1)]),
        transaction(2, [max("n", 0, 9, []), mark("m", 4)]),
        transaction(3, [max("m", 0, 9, [4]), max("n", 0, 9, [1])]),
      ],
    ],
    [
      // Fekete, O'Neil, O'Neil 2004: both writers alone are serializable.
      "a read-only anomaly",
      [
        transaction(1, [append("y", 1)]),
        transaction(2, [read("x", []), read("y", []), append("x", 2)]),
        transaction(3, [read("x", []), read("y", [1])]),
        transaction(4, [read("x", [2]), read("y", [1])]),
      ],
    ],
    [
      "a fractured read",
      [
        transaction(1, [append("x", 1), append("y", 2)]),
        transaction(2, [read("x", [1]), read("y", [])]),
        transaction(3, [read("y", [2])]),
      ],
    ],
    [
      "a stale read",
      [
        transaction(1, [append("x", 1)], { end: 1 }),
        transaction(2, [read("x", [])], { start: 2 }),
        transaction(3, [read("x", [1])]),
      ],
    ],
    [
      "a read in the middle of a transaction",
      [
        transaction(1, [append("x", 1), append("x", 2)]),
        transaction(2, [read("x", [1])]),
        transaction(3, [read("x", [1, 2])]),
      ],
    ],
    ["an aborted read", [transaction(1, [append("x", 1)], { fate: "failed" }), transaction(2, [read("x", [1])])]],
    [
      "an aborted read of a range",
      [transaction(1, [mark("m", 1)], { fate: "failed" }), transaction(2, [range("m", 0, 9, [1])])],
    ],
    [
      "orders that differ",
      [
        transaction(1, [append("x", 1)]),
        transaction(2, [append("x", 2)]),
        transaction(3, [read("x", [1, 2])]),
        transaction(4, [read("x", [2])]),
      ],
    ],
    ["a doubled element", [transaction(1, [append("x", 1)]), transaction(2, [read("x", [1, 1])])]],
    ["an own write that is not read", [transaction(1, [append("x", 1), read("x", [])])]],
    ["an element nobody wrote", [transaction(1, [read("x", [9])])]],
  ])("PROOF1 finds %s", (_, history) => {
    expect(check(history).anomalies).not.toEqual([]);
  });

  test("PROOF1 lets a transaction without an answer be stored or not", () => {
    const unknown = transaction(1, [append("x", 1), mark("m", 1)], { fate: "unknown", results: [] });
    const reads = (x: number[], m: number[]) => transaction(2, [read("x", x), range("m", 0, 9, m)], after());
    expect(check([unknown, reads([1], [1])]).anomalies).toEqual([]);
    expect(check([unknown, reads([], [])]).anomalies).toEqual([]);
    expect(
      check([unknown, transaction(3, [read("x", [1]), range("m", 0, 9, [])]), transaction(4, [range("m", 0, 9, [1])])])
        .anomalies,
    ).not.toEqual([]);
  });
});
