import { deepEqual, ok } from "node:assert/strict";
import { asidePart, asideTable, lateRows, problemRows } from "../../lib/windows/aside.ts";
import type { Messages } from "../../lib/core/types.ts";
import { windowSpec } from "../../lib/windows/window.ts";

/** Messages of one partition, with offsets from `first`; null is a tombstone. */
function messages(partition: string, first: number, values: (Uint8Array | null)[]): Messages {
  const ends = new Uint32Array(values.length);
  const bytes: number[] = [];
  values.forEach((value, i) => ends[i] = bytes.push(...value ?? []));
  return {
    partition,
    offsets: Float64Array.from(values, (_, i) => first + i),
    bytes: Uint8Array.from(bytes),
    starts: ends.map((_, i) => i === 0 ? 0 : ends[i - 1]!),
    ends,
    tombstones: Uint8Array.from(values, (value) => value === null ? 1 : 0),
  };
}

Deno.test("problemRows() names each row once: rejected without an event time, else malformed", () => {
  const times = Float64Array.of(1, NaN, 3, NaN, 5);
  const problems = [
    { row: 1, reason: "not JSON" },
    { row: 2, field: "Class", reason: "expected an integer" },
    { row: 2, field: "Amount", reason: "expected a number" },
  ];
  deepEqual(problemRows(problems, times), [
    { row: 1, kind: "rejected", reason: "not JSON" },
    { row: 2, kind: "malformed", reason: "Class: expected an integer" },
    { row: 3, kind: "rejected", reason: "event time is missing" },
  ]);
});

Deno.test("lateRows() names a row if its last window had ended, and none without an event time", () => {
  //  0         10        20        30
  //  [---------)[--------)
  //       [---------)               sliding by 5
  //                      ^ 20
  const window = windowSpec("10 seconds", { slide: "5 seconds" });
  const times = Float64Array.of(9_999, 14_999, 15_000, NaN, 40_000);
  deepEqual(lateRows(times, window, 20_000).map(({ row }) => row), [0, 1]);
});

Deno.test("asidePart() keeps where a row came from and its value as it was", () => {
  const text = new TextEncoder();
  const PLACES = [
    { partition: "0", offset: 7, slice: 0, index: 0 },
    { partition: "0", offset: 8, slice: 0, index: 1 },
    { partition: "1", offset: 3, slice: 1, index: 0 },
  ];
  const part = asidePart(
    [
      { row: 0, kind: "rejected", reason: "no value" },
      { row: 1, kind: "rejected", reason: "not JSON" },
      { row: 2, kind: "late", reason: "its window was closed" },
    ],
    [
      messages("0", 7, [null, Uint8Array.of(0xff, 0xfe)]),
      messages("1", 3, [text.encode('{"event_time":"é"}')]),
    ],
    (row) => PLACES[row]!,
    {
      eventTimes: Float64Array.of(NaN, NaN, 12_345),
      window: windowSpec("10 seconds"),
      lateWatermark: 20_000,
    },
  );
  // A batch may have more text than V8's heap: it is with Polars from the chunk on.
  ok(!JSON.stringify(part.values).includes('event_time\\"'));
  const plain = asideTable([part], 4).toRecords().map((record) =>
    Object.values(record).map((value) => typeof value === "bigint" ? Number(value) : value)
  );
  const at = (ms: number) => new Date(ms);
  deepEqual(plain, [
    [4, "rejected", "no value", "0", 7, null, null, null, null, null, null],
    [4, "rejected", "not JSON", "0", 8, null, null, null, null, "base64", "//4="],
    [
      4,
      "late",
      "its window was closed",
      "1",
      3,
      at(12_345),
      at(10_000),
      at(20_000),
      7_655,
      "utf-8",
      '{"event_time":"é"}',
    ],
  ]);
});
