import { deepEqual, equal, throws } from "node:assert/strict";
import { type OffsetEntry, resume } from "../../lib/checkpoint/resume.ts";

function offsets(
  batchId: number,
  batchWatermarkMs: number,
): { batchId: number; entry: OffsetEntry } {
  const entry = { end: { "0": batchId + 1 }, batchWatermarkMs, batchTimestampMs: 0, conf: {} };
  return { batchId, entry };
}

function commit(batchId: number, nextBatchWatermarkMs: number) {
  return { batchId, entry: { nextBatchWatermarkMs } };
}

Deno.test("resume() begins with batch 0 where there are no logs", () => {
  const { batchId, lateWatermark, watermark, planned } = resume({});
  deepEqual({ batchId, lateWatermark, watermark, planned }, {
    batchId: 0,
    lateWatermark: 0,
    watermark: 0,
    planned: undefined,
  });
});

Deno.test("resume() goes on after a committed batch, with the greater of its two watermarks", () => {
  for (const [next, expected] of [[70, 70], [20, 50]] as const) {
    const cursor = resume({
      previousOffsets: offsets(3, 40),
      lastOffsets: offsets(4, 50),
      lastCommit: commit(4, next),
    });
    equal(cursor.batchId, 5);
    deepEqual(cursor.start, { "0": 5 });
    equal(cursor.lateWatermark, 50);
    equal(cursor.watermark, expected);
    equal(cursor.planned, undefined);
  }
});

Deno.test("resume() runs a planned batch again: same offsets, same two watermarks", () => {
  const cursor = resume({
    previousOffsets: offsets(3, 40),
    lastOffsets: offsets(4, 50),
    lastCommit: commit(3, 50),
  });
  equal(cursor.batchId, 4);
  deepEqual(cursor.start, { "0": 4 });
  deepEqual(cursor.planned, offsets(4, 50).entry);
  deepEqual([cursor.lateWatermark, cursor.watermark], [40, 50]);

  const first = resume({ lastOffsets: offsets(0, 0) });
  deepEqual([first.batchId, first.start, first.lateWatermark], [0, undefined, 0]);
});

Deno.test("resume() refuses logs of which files are missing", () => {
  const torn = [
    { lastCommit: commit(0, 0) },
    { previousOffsets: offsets(3, 0), lastOffsets: offsets(4, 0), lastCommit: commit(2, 0) },
    { previousOffsets: offsets(3, 0), lastOffsets: offsets(4, 0), lastCommit: commit(5, 0) },
    { previousOffsets: offsets(3, 0), lastOffsets: offsets(4, 0) },
    { lastOffsets: offsets(4, 0), lastCommit: commit(3, 0) },
    { previousOffsets: offsets(2, 0), lastOffsets: offsets(4, 0), lastCommit: commit(3, 0) },
  ];
  for (const logs of torn) {
    throws(() => resume(logs), { name: "RangeError", message: /Cannot resume: .*missing/ });
  }
});
