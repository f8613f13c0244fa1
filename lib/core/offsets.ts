import type { Offsets } from "./types.ts";

/**
 * Limits a batch to about `max` offsets, split over the partitions by their share of the backlog.
 * A partition with a backlog always gets at least one, as in Spark's Kafka source. Partitions are those
 * of `start`; one that is gone, or has less than before, has no backlog.
 *
 * @example Usage
 * ```ts
 * import { limitOffsets } from "lib";
 * import { deepEqual } from "node:assert/strict";
 *
 * deepEqual(limitOffsets({ "0": 0, "1": 5 }, { "0": 90, "1": 15 }, 10), { "0": 9, "1": 6 });
 * ```
 */
export function limitOffsets(start: Offsets, latest: Offsets, max = Infinity): Offsets {
  const sizes = Object.entries(start).map(([partition, from]) =>
    [partition, from, Math.max(0, (latest[partition] ?? from) - from)] as const
  );
  const total = sizes.reduce((sum, [, , size]) => sum + size, 0);
  return Object.fromEntries(sizes.map(([partition, from, size]) => {
    const share = total <= max ? size : max * (size / total);
    return [partition, from + (share < 1 ? Math.ceil(share) : Math.floor(share))];
  }));
}

/** Whether two sets of offsets are equal. */
export function sameOffsets(a: Offsets, b: Offsets): boolean {
  const partitions = Object.keys(b);
  return Object.keys(a).length === partitions.length && partitions.every((p) => a[p] === b[p]);
}

/** Returns the offsets of the partitions that `by` names too. */
export function pick(offsets: Offsets, by: Offsets): Offsets {
  return Object.fromEntries(Object.entries(offsets).filter(([partition]) => partition in by));
}
