import { deepEqual, equal } from "node:assert/strict";
import { limitOffsets, sameOffsets } from "../../lib/core/offsets.ts";

Deno.test("limitOffsets() splits the limit by backlog, at least one for each that has one", () => {
  const cases: [Record<string, number>, Record<string, number>, number, Record<string, number>][] =
    [
      [{ "0": 0, "1": 5 }, { "0": 90, "1": 15 }, 10, { "0": 9, "1": 6 }],
      [{ "0": 0, "1": 0, "2": 0 }, { "0": 101, "1": 11, "2": 1 }, 10, { "0": 8, "1": 1, "2": 1 }],
      [{ "0": 0, "1": 0 }, { "0": 100, "1": 0 }, 10, { "0": 10, "1": 0 }],
      [{ "0": 0, "1": 0 }, { "0": 3, "1": 4 }, 10, { "0": 3, "1": 4 }],
      [{ "0": 0, "1": 0, "2": 0 }, { "0": 9, "1": 9, "2": 9 }, 1, { "0": 1, "1": 1, "2": 1 }],
      [{ "0": 7 }, { "0": 7 }, 1, { "0": 7 }],
    ];
  for (const [start, latest, max, end] of cases) deepEqual(limitOffsets(start, latest, max), end);
  deepEqual(limitOffsets({ "0": 0 }, { "0": 1e9 }), { "0": 1e9 });
});

Deno.test("sameOffsets() compares partitions and offsets, in any order", () => {
  equal(sameOffsets({ "0": 1, "1": 2 }, { "1": 2, "0": 1 }), true);
  for (const other of [{ "0": 1 }, { "0": 1, "1": 3 }, { "0": 1, "2": 2 }]) {
    equal(sameOffsets({ "0": 1, "1": 2 }, other), false);
  }
});
