/** The least, greatest and mean event time of some rows, in epoch ms; of no rows if `count` is 0. */
export interface EventTimeStats {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly avg: number;
}

/**
 * Returns the statistics of event times (epoch ms, NaN where null). A null counts as 0 and the mean
 * is a running one, as in Spark's `EventTimeStats`.
 */
export function eventTimeStats(eventTimes: Float64Array): EventTimeStats {
  let min = Infinity;
  let max = -Infinity;
  let avg = 0;
  for (let i = 0; i < eventTimes.length; i++) {
    const time = Number.isNaN(eventTimes[i]!) ? 0 : eventTimes[i]!;
    if (time < min) min = time;
    if (time > max) max = time;
    avg += (time - avg) / (i + 1);
  }
  return { count: eventTimes.length, min, max, avg };
}

/**
 * Returns the greatest event time of each partition that has rows with one; `eventTimes`, NaN where
 * null, follow in their order.
 */
export function newestByPartition(
  rows: readonly (readonly [partition: string, rows: number])[],
  eventTimes: Float64Array,
): (readonly [partition: string, time: number])[] {
  let at = 0;
  return rows.flatMap(([partition, length]) => {
    const newest = newestOf(eventTimes.subarray(at, at += length));
    return newest > -Infinity ? [[partition, newest] as const] : [];
  });
}

/** A loop of its own, over a place of its own: V8 makes that a fast one. */
function newestOf(eventTimes: Float64Array): number {
  let newest = -Infinity;
  for (let i = 0; i < eventTimes.length; i++) {
    if (eventTimes[i]! > newest) newest = eventTimes[i]!;
  }
  return newest;
}

/** Returns the statistics of the rows of both. */
export function mergeStats(a: EventTimeStats, b: EventTimeStats): EventTimeStats {
  const count = a.count + b.count;
  return {
    count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    avg: count === 0 ? 0 : a.avg + (b.avg - a.avg) * (b.count / count),
  };
}

/**
 * Returns the watermark after a batch: its greatest event time less the delay, and never less than
 * before. Rows that are late count for the maximum too. All in epoch milliseconds.
 *
 * @example Usage
 * ```ts
 * import { advanceWatermark } from "lib";
 * import { equal } from "node:assert/strict";
 *
 * equal(advanceWatermark(0, { maxEventTime: 15, delay: 10 }), 5);
 * equal(advanceWatermark(5, { maxEventTime: 12, delay: 10 }), 5); // it never goes back
 * ```
 */
export function advanceWatermark(
  watermark: number,
  { maxEventTime, delay }: { maxEventTime: number; delay: number },
): number {
  return Math.max(watermark, maxEventTime - delay);
}

/** The newest event time of each partition, and when the last batch with rows of it was planned; epoch ms. */
export type PartitionTimes = Readonly<Record<string, readonly [newest: number, seen: number]>>;

/**
 * Returns the partition times after a batch, and the newest event time of the slowest partition that
 * had a readable row within `idleAfter` ms, null if none had: the watermark then waits for that partition, and an idle one does
 * not hold it. Flink's rule; Spark goes by the newest row of all partitions.
 *
 * `clock` is when the batch was planned, so that a rerun of the batch decides the same.
 */
export function slowestPartition(
  times: PartitionTimes,
  newest: readonly (readonly [partition: string, time: number])[],
  { clock, idleAfter }: { clock: number; idleAfter: number },
): { times: PartitionTimes; slowest: number | null } {
  const next: Record<string, readonly [number, number]> = { ...times };
  for (const [partition, time] of newest) {
    next[partition] = [Math.max(time, next[partition]?.[0] ?? -Infinity), clock];
  }
  const active = Object.values(next).filter(([, seen]) => clock - seen < idleAfter);
  const slowest = active.length > 0 ? Math.min(...active.map(([time]) => time)) : null;
  return { times: next, slowest };
}

/** Returns the watermark that a batch leaves: Spark's, or with `idleAfter` Flink's by partition; times in ms. */
export function nextWatermark(
  { watermark, partitions }: {
    readonly watermark: number;
    readonly partitions?: PartitionTimes | undefined;
  },
  { stats, newest }: {
    readonly stats: EventTimeStats;
    readonly newest: readonly (readonly [partition: string, time: number])[];
  },
  { delay, idleAfter, clock }: { delay: number | null; idleAfter: number | null; clock: number },
): { watermark: number; partitions?: PartitionTimes | undefined } {
  if (stats.count === 0 || delay === null) return { watermark, partitions };
  const advance = (maxEventTime: number) => advanceWatermark(watermark, { maxEventTime, delay });
  if (idleAfter === null) return { watermark: advance(stats.max) };
  const { times, slowest } = slowestPartition(partitions ?? {}, newest, { clock, idleAfter });
  return { watermark: slowest === null ? watermark : advance(slowest), partitions: times };
}
