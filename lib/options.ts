import type { Expr } from "polars";
import type { StreamingQueryProgress } from "./progress.ts";
import type { Offsets, OutputMode, Sink } from "./core/types.ts";

/** Where a query begins and how much it reads at once; options as in Spark's Kafka source. */
export interface ReadOptions {
  /** Where a new query begins, `earliest` if absent. By partition, -2 is earliest and -1 latest. */
  readonly startingOffsets?: "earliest" | "latest" | Offsets | undefined;
  /** Where a new query begins as message time, epoch ms; for sources that keep one. */
  readonly startingTimestamp?: number | undefined;
  /** The most offsets in a batch, split over the partitions by their backlog; no limit if absent. */
  readonly maxOffsetsPerTrigger?: number | undefined;
  /** Whether offsets that are gone stop the query; true if absent. */
  readonly failOnDataLoss?: boolean | undefined;
}

/** What may hold or move a watermark beside its delay; durations as text. */
export interface WatermarkOptions {
  /** A row whose event time is further ahead of the clock is rejected and closes no windows. */
  readonly maxAhead?: string | undefined;
  /**
   * The watermark follows the slowest partition that had a readable row within this time, as Flink's
   * does; a partition that has been idle for longer does not hold it. More than 0.
   */
  readonly idleAfter?: string | undefined;
}

/** How rows are grouped beside the window's size; durations as text, whole milliseconds. */
export interface WindowOptions {
  /** How far apart windows start, more than 0 and at most the window; the window if absent. */
  readonly slide?: string | undefined;
  /** Shifts the windows from the epoch, less than `slide`; `0 seconds` if absent. */
  readonly startTime?: string | undefined;
  /** Columns to group by beside the window. */
  readonly keys?: readonly string[] | undefined;
}

/** When batches run: `available-now`, `once`, or an interval such as `1 second`; 0 is at once. */
export type Trigger = "available-now" | "once" | string;

/** How a query is named, driven and watched. */
export interface QuerySettings {
  readonly name?: string | undefined;
  /** `0 seconds` if absent: the next batch starts when the last one ends. */
  readonly trigger?: Trigger | undefined;
  /** Called after each batch. What it throws is told on the console; the query goes on. */
  readonly onProgress?: ((progress: StreamingQueryProgress) => void) | undefined;
}

/** Rows to keep, such as alerts: where each was, and what became of it. */
export interface KeptRows {
  /** An expression of one row, over the columns it is grouped with. */
  readonly where: Expr;
  /** Columns to keep beside batch_id, partition, offset, event_time, window_start and outcome. */
  readonly columns: readonly string[];
  readonly sink: Sink;
}

export interface WriteOptions extends QuerySettings {
  readonly outputMode: OutputMode;
  /** The folder from which a restart goes on. */
  readonly checkpointLocation: string;
  /** Takes the rows that are late or cannot be read, with their reasons. */
  readonly rejected?: Sink | undefined;
  /** Keeps the rows for which an expression holds, each once. */
  readonly rows?: KeptRows | undefined;
  /** Whether a batch without data may run to close windows; true if absent. */
  readonly noDataMicroBatches?: boolean | undefined;
  /** How many batches the checkpoint remembers at least, never fewer than 2; 100 if absent. */
  readonly minBatchesToRetain?: number | undefined;
  /** The clock, epoch ms. */
  readonly now?: (() => number) | undefined;
}

/** What holds where an option is absent. */
export const DEFAULTS = {
  startingOffsets: "earliest",
  failOnDataLoss: true,
  trigger: "0 seconds",
  noDataMicroBatches: true,
  minBatchesToRetain: 100,
} satisfies Partial<ReadOptions & WriteOptions>;
