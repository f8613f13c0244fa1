import { deepEqual, equal, ok } from "node:assert/strict";
import { advanceWatermark, eventTimeStats, mergeStats } from "../../lib/windows/watermark.ts";

Deno.test("advanceWatermark() follows the greatest event time less the delay, and never falls", () => {
  //      [before, maxEventTime, delay, after]
  const cases: [number, number, number, number][] = [
    [0, 15_000, 10_000, 5_000],
    [5_000, 14_000, 10_000, 5_000],
    [5_000, 15_001, 10_000, 5_001],
    [0, 5_000, 10_000, 0], // it starts at 0 and is never below
    [0, -1, 0, 0],
    [7, 7, 0, 7],
  ];
  for (const [before, maxEventTime, delay, after] of cases) {
    equal(advanceWatermark(before, { maxEventTime, delay }), after);
  }
});

Deno.test("eventTimeStats() takes a row without an event time as one at 0", () => {
  const stats = eventTimeStats(Float64Array.of(10, NaN, 20));
  deepEqual(stats, { count: 3, min: 0, max: 20, avg: 10 });
  const before1970 = eventTimeStats(Float64Array.of(-10, NaN));
  deepEqual([before1970.min, before1970.max], [-10, 0]);
});

Deno.test("eventTimeStats() keeps the mean exact where a sum would lose digits", () => {
  const far = 8.64e15 - 0.5;
  equal(eventTimeStats(new Float64Array(1000).fill(far)).avg, far);
  ok(Number.isInteger(eventTimeStats(Float64Array.of(1, 3)).avg));
});

Deno.test("mergeStats() gives the statistics of the rows of both, and no rows change nothing", () => {
  const parts = [[10, 20], [], [5], [NaN, 65]].map((times) =>
    eventTimeStats(Float64Array.from(times))
  );
  deepEqual(parts.reduce(mergeStats), { count: 5, min: 0, max: 65, avg: 20 });
  const none = eventTimeStats(new Float64Array());
  equal(mergeStats(none, none).count, 0);
});
