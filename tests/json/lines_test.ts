import { deepEqual, equal } from "node:assert/strict";
import { countLinesOf, readLines } from "../../lib/json/lines.ts";
import type { FileRange } from "../../lib/core/types.ts";
import { randoms } from "../faults/program.ts";

const random = randoms(5);
const STRIDE = 32;

async function withFile(text: string, body: (file: string) => void): Promise<void> {
  const file = await Deno.makeTempFile({ prefix: "lines-" });
  try {
    await Deno.writeTextFile(file, text);
    body(file);
  } finally {
    await Deno.remove(file);
  }
}

/** Lines of up to `most` characters. */
function linesOf(n: number, most: number): string[] {
  return Array.from({ length: n }, () => "x".repeat(Math.floor(random() * (most + 1))));
}

/** What countLinesOf() finds, one character after the other. */
function counted(text: string, from: number, to: number, line: number) {
  const marks: number[] = [];
  let [count, end] = [line, from];
  for (let at = from; at < to; at++) {
    if (text[at] !== "\n") continue;
    end = at + 1;
    if (++count % STRIDE === 0) marks.push(end);
  }
  return { count, marks, end };
}

Deno.test("countLinesOf() counts lines of any length, wherever its blocks end", async () => {
  const texts = [
    "",
    "no end",
    "\n",
    "\n".repeat(1_000),
    "a\nb",
    `${"y".repeat(600_000)}\nz`, // longer than a block
    `${"y".repeat(524_287)}\n${"y".repeat(524_287)}\n`, // as long as one
    linesOf(3_000, 130).join("\n"),
    linesOf(20_000, 63).join("\n") + "\n",
    linesOf(3_000, 1_500).join("\r\n") + "\r\nrest",
  ];
  for (const text of texts) {
    await withFile(text, (file) => {
      const ranges = [
        [0, text.length],
        ...Array.from({ length: 8 }, () => {
          const from = Math.floor(random() * text.length);
          return [from, from + Math.floor(random() * (text.length - from + 1))];
        }),
      ];
      for (const [from, to] of ranges as [number, number][]) {
        for (const line of [0, 1, STRIDE - 1, STRIDE, 1_000_003]) {
          const expected = counted(text, from, to, line);
          deepEqual(countLinesOf({ file, from, to }, line, STRIDE), expected, `${from} to ${to}`);
        }
      }
    });
  }
});

Deno.test("countLinesOf() stops where a file has shrunk", () =>
  withFile("a\nb\nc", (file) => {
    const lines = countLinesOf({ file, from: 2, to: 1_000_000 }, 1, STRIDE);
    deepEqual(lines, { count: 2, marks: [], end: 4 });
  }));

Deno.test("readLines() passes over lines that are longer than what it reads at once", () => {
  const long = "y".repeat(2_000_000);
  const lines = [long, "a", long, long, "b", "c"];
  const text = lines.join("\n") + "\n";
  return withFile(text, (file) => {
    for (let start = 0; start < lines.length; start++) {
      for (let stop = start; stop <= lines.length; stop++) {
        const place = { file, from: 0, to: text.length, lines: lines.length, skip: start };
        const range: FileRange = { partition: "0", ...place, start, stop };
        const { bytes, starts, ends, offsets } = readLines(range);
        const values = Array.from(starts, (at, i) => {
          return new TextDecoder().decode(bytes.subarray(at, ends[i]));
        });
        equal(values.join(), lines.slice(start, stop).join());
        equal(offsets.length, stop - start);
      }
    }
  });
});
