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

/** An entry of a log and its batch id. */
export interface Logged<Entry> {
  readonly batchId: number;
  readonly entry: Entry;
}

/** What the two logs hold: the last two entries of one, the last of the other. */
export interface LogTails {
  readonly previousOffsets?: Logged<OffsetEntry> | undefined;
  readonly lastOffsets?: Logged<OffsetEntry> | undefined;
  readonly lastCommit?: Logged<CommitEntry> | undefined;
}

/** Where a query goes on. */
export interface Cursor {
  /** The batch to run next. */
  readonly batchId: number;
  /** Where it starts to read; `undefined` for the first batch. */
  readonly start?: Offsets | undefined;
  /** The source's `identity` that `start` is of. */
  readonly sourceId?: string | undefined;
  /** Windows that end at or before it are late in the next batch. */
  readonly lateWatermark: number;
  /** The watermark the next batch evicts with. */
  readonly watermark: number;
  /** What the last commit says of the partitions. */
  readonly partitions?: PartitionTimes | undefined;
  /** The settings of the batch committed last. */
  readonly conf?: OffsetEntry["conf"] | undefined;
  /** Set if the batch was planned but not committed: it runs again, as planned. */
  readonly planned?: OffsetEntry | undefined;
}

/**
 * Decides where a query goes on from what its two logs hold. Spark's rule:
 *
 * | offsets | commits | next                                                        |
 * | ------- | ------- | ----------------------------------------------------------- |
 * | none    | none    | batch 0                                                     |
 * | N       | N       | batch N + 1, watermark max(offsets/N, commits/N)            |
 * | N       | N - 1   | batch N again: same offsets, same watermark                 |
 *
 * Throws a `RangeError` if the logs do not fit together.
 */
export function resume({ previousOffsets, lastOffsets, lastCommit }: LogTails): Cursor {
  if (lastOffsets === undefined) {
    if (lastCommit !== undefined) throw missing(`offsets/${lastCommit.batchId}`);
    return { batchId: 0, lateWatermark: 0, watermark: 0 };
  }
  const { batchId, entry } = lastOffsets;
  const committed = lastCommit?.batchId ?? -1;
  if (previousOffsets !== undefined && previousOffsets.batchId !== batchId - 1) {
    throw missing(`offsets/${batchId - 1}`);
  }
  if (committed === batchId) {
    return {
      batchId: batchId + 1,
      start: entry.end,
      sourceId: entry.sourceId,
      conf: entry.conf,
      partitions: lastCommit!.entry.partitions,
      lateWatermark: entry.batchWatermarkMs,
      watermark: Math.max(entry.batchWatermarkMs, lastCommit!.entry.nextBatchWatermarkMs),
    };
  }
  if (committed > batchId) throw missing(`offsets/${committed}`);
  if (committed < batchId - 1) throw missing(`commits/${batchId - 1}`);
  if (batchId > 0 && previousOffsets === undefined) throw missing(`offsets/${batchId - 1}`);
  return {
    batchId,
    start: previousOffsets?.entry.end,
    sourceId: previousOffsets?.entry.sourceId,
    conf: previousOffsets?.entry.conf,
    partitions: lastCommit?.entry.partitions,
    lateWatermark: previousOffsets?.entry.batchWatermarkMs ?? 0,
    watermark: entry.batchWatermarkMs,
    planned: entry,
  };
}

function missing(place: string): RangeError {
  return new RangeError(
    `Cannot resume: the checkpoint's ${place} is missing. ` +
      `Restore it, or start over with a new checkpoint`,
  );
}
