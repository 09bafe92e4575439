import { expect, test } from "vitest";
import { collect } from "../../support/collect.ts";
import type { ImportFormat } from "../../../src/transfer/import-document.ts";
import { rows } from "../../../src/transfer/rows.ts";

/** In chunks of `size` bytes: whatever is cut in two must not matter. */
async function* chunked(text: string, size: number): AsyncIterable<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function read(format: Exclude<ImportFormat, "zip">, text: string, size: number): Promise<unknown[]> {
  return await collect(rows(format, chunked(text, size)));
}

test.each([
  ["jsonLines", `{"a":"é"}\r\n\n  \n{"b":[1,{"c":"\\n"}]}`, [{ a: "é" }, { b: [1, { c: "\n" }] }]],
  ["jsonLines", "", []],
  ["jsonArray", ` [ ] `, []],
  ["jsonArray", `[{"a":"],[\\"{"},\n {"b":[[1],[2]]}]\n`, [{ a: '],["{' }, { b: [[1], [2]] }]],
  ["csv", `a,b\n1,x\n`, [{ a: 1, b: "x" }]],
  [
    "csv",
    `a,b\r\n"1,""2""",-.5e3\r\n\r\n" x\r\ny",`,
    [
      { a: '1,"2"', b: -500 },
      { a: " x\r\ny", b: "" },
    ],
  ],
  ["csv", `"n"\n1.\n+3\n0x10\nNaN\n1e\n`, [{ n: 1 }, { n: 3 }, { n: "0x10" }, { n: "NaN" }, { n: "1e" }]],
] as const)("XFER1 %s %j is read the same however it is cut", async (format, text, expected) => {
  for (let size = 1; size <= text.length + 1; size++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await read(format, text, size), `chunks of ${size}`).toEqual(expected);
  }
});

test.each([
  ["jsonLines", `{}\n[1]`, "line 2 is not a JSON object: [1]"],
  ["jsonLines", `{}\n\n{`, "line 3 is not valid JSON"],
  ["jsonArray", `{}`, "not an array of JSON objects"],
  ["jsonArray", `[{}`, "not an array of JSON objects"],
  ["jsonArray", `[{}] {}`, "not an array of JSON objects"],
  ["jsonArray", `[{}, 5]`, "element 1 is not a JSON object: 5"],
  ["csv", ``, "must have a header line"],
  ["csv", `a,a\n`, 'the field "a" twice'],
  ["csv", `a,b\n1`, "line 2 has 1 fields, but the header has 2"],
  ["csv", `a\n"x`, "never ends"],
  ["csv", `a\nx"y"`, "line 2 has a quote inside of a field"],
  ["csv", `a\n"x"y`, "behind the end of a quoted field"],
] as const)("XFER2 %s %j says what is wrong and where", async (format, text, message) => {
  await expect(read(format, text, 3)).rejects.toThrow(message);
});

test.each(["jsonLines", "jsonArray", "csv"] as const)("XFER2 %s that is not UTF-8 is refused", async (format) => {
  async function* bytes() {
    yield Uint8Array.of(0x7b, 0xff, 0x7d);
  }
  await expect(collect(rows(format, bytes()))).rejects.toThrow("The file is not UTF-8.");
});
