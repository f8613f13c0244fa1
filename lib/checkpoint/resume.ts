import type { Offsets } from "../core/types.ts";
import type { PartitionTimes } from "../windows/watermark.ts";

/** What `offsets/N` holds: the end of batch N, and the watermark it evicts with. */
export interface OffsetEntry {
  readonly end: Offsets; // exclusive
  /** The source's `identity` that the offsets are of, if it has one. */
  readonly sourceId?: string | undefined;
  readonly batchWatermarkMs: number;
  readonly batchTimestampMs: number;
  /** Settings the batch runs with, for the record: delay, threshold, model. */
  readonly conf: Readonly<Record<string, string>>;
}

/** What `commits/N` holds. */
export interface CommitEntry {
  readonly nextBatchWatermarkMs: number;
  /** Only where the watermark goes by the slowest partition. */
  readonly partitions?: PartitionTimes | undefined;
}

/** What there is of batch -1, which ends where the first one begins. */
export const NO_OFFSETS: OffsetEntry = {
  end: {},
  batchWatermarkMs: 0,
  batchTimestampMs: 0,
  conf: {},
};
export const NO_COMMIT: CommitEntry = { nextBatchWatermarkMs: 0 };

/** Where a query goes on. */
export interface Cursor {
  /** The batch to run next. */
  readonly batchId: number;
  /** The batch before it: where it starts to read, and the watermark by which its windows are late. */
  readonly before: OffsetEntry;
  /** The watermark the next batch evicts with. */
  readonly watermark: number;
  /** What the last commit says of the partitions. */
  readonly partitions?: PartitionTimes | undefined;
  /** Set if the batch was planned but not committed: it runs again, as planned. */
  readonly planned?: OffsetEntry | undefined;
}

/**
 * Decides where a query goes on from the ends of its two logs, by batch id in ascending order; -1 is
 * committed, and ends where the first batch begins. Spark's rule:
 *
 * | offsets | commits | next                                                        |
 * | ------- | ------- | ----------------------------------------------------------- |
 * | none    | none    | batch 0                                                     |
 * | N       | N       | batch N + 1, watermark max(offsets/N, commits/N)            |
 * | N       | N - 1   | batch N again: same offsets, same watermark                 |
 *
 * Throws a `RangeError` if the logs do not fit together.
 */
export function resume(
  offsets: ReadonlyMap<number, OffsetEntry>,
  commits: ReadonlyMap<number, CommitEntry>,
): Cursor {
  const [done] = [...commits.keys()].slice(-1) as [number];
  checkLogs([...offsets.keys()], done);
  const [before, planned, commit] = [offsets.get(done), offsets.get(done + 1), commits.get(done)!];
  if (before === undefined) throw missing(`offsets/${done}`);
  const watermark = planned?.batchWatermarkMs ??
    Math.max(before.batchWatermarkMs, commit.nextBatchWatermarkMs);
  return { batchId: done + 1, before, watermark, partitions: commit.partitions, planned };
}

/** Throws a `RangeError` if the logs of these planned batches, and of `done` as the last one, do not fit together. */
export function checkLogs(planned: readonly number[], done: number): void {
  const [last = -1, previous = last - 1] = planned.filter((id) => id >= 0).slice(-2).reverse();
  if (previous !== last - 1) throw missing(`offsets/${last - 1}`);
  if (done < last - 1) throw missing(`commits/${last - 1}`);
  if (done > last) throw missing(`offsets/${done}`);
}

function missing(place: string): RangeError {
  return new RangeError(
    `Cannot resume: the checkpoint's ${place} is missing. ` +
      `Restore it, or start over with a new checkpoint`,
  );
}
