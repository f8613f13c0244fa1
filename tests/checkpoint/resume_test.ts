import { deepEqual, equal, throws } from "node:assert/strict";
import {
  type CommitEntry,
  NO_COMMIT,
  NO_OFFSETS,
  type OffsetEntry,
  resume,
} from "../../lib/checkpoint/resume.ts";

/** Offsets of batches by their watermarks, with those of batch -1. */
function offsets(watermarks: Readonly<Record<number, number>>): Map<number, OffsetEntry> {
  const entry = ([id, batchWatermarkMs]: [string, number]) =>
    [Number(id), { ...NO_OFFSETS, end: { "0": Number(id) + 1 }, batchWatermarkMs }] as const;
  return new Map([[-1, NO_OFFSETS], ...Object.entries(watermarks).map(entry)]);
}

function commit(batchId: number, nextBatchWatermarkMs: number): Map<number, CommitEntry> {
  return new Map([[-1, NO_COMMIT], [batchId, { nextBatchWatermarkMs }]]);
}

Deno.test("resume() begins with batch 0 where there are no logs", () => {
  const { batchId, before, watermark, planned } = resume(offsets({}), new Map([[-1, NO_COMMIT]]));
  deepEqual({ batchId, before, watermark, planned }, {
    batchId: 0,
    before: NO_OFFSETS,
    watermark: 0,
    planned: undefined,
  });
});

Deno.test("resume() goes on after a committed batch, with the greater of its two watermarks", () => {
  for (const [next, expected] of [[70, 70], [20, 50]] as const) {
    const cursor = resume(offsets({ 3: 40, 4: 50 }), commit(4, next));
    equal(cursor.batchId, 5);
    deepEqual(cursor.before.end, { "0": 5 });
    equal(cursor.before.batchWatermarkMs, 50);
    equal(cursor.watermark, expected);
    equal(cursor.planned, undefined);
  }
});

Deno.test("resume() runs a planned batch again: same offsets, same two watermarks", () => {
  const logged = offsets({ 3: 40, 4: 50 });
  const cursor = resume(logged, commit(3, 50));
  equal(cursor.batchId, 4);
  deepEqual(cursor.before.end, { "0": 4 });
  deepEqual(cursor.planned, logged.get(4));
  deepEqual([cursor.before.batchWatermarkMs, cursor.watermark], [40, 50]);

  const first = resume(offsets({ 0: 0 }), new Map([[-1, NO_COMMIT]]));
  deepEqual([first.batchId, first.before, first.planned?.end], [0, NO_OFFSETS, { "0": 1 }]);
});

Deno.test("resume() refuses logs of which files are missing", () => {
  const torn = [
    [offsets({}), commit(0, 0), "offsets/0"],
    [offsets({ 3: 0, 4: 0 }), commit(2, 0), "commits/3"],
    [offsets({ 3: 0, 4: 0 }), commit(5, 0), "offsets/5"],
    [offsets({ 3: 0, 4: 0 }), new Map([[-1, NO_COMMIT]]), "commits/3"],
    [offsets({ 4: 0 }), commit(3, 0), "offsets/3"],
    [offsets({ 2: 0, 4: 0 }), commit(3, 0), "offsets/3"],
    [offsets({ 2: 0, 4: 0 }), commit(4, 0), "offsets/3"],
  ] as const;
  for (const [logged, committed, place] of torn) {
    const message = new RegExp(`Cannot resume: .*${place}.*missing`);
    throws(() => resume(logged, committed), { name: "RangeError", message });
  }
});
