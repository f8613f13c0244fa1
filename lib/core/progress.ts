import type { Offsets } from "./types.ts";

/** What a query reports of one batch: Spark's `StreamingQueryProgress`, and what Spark does not count. */
export interface StreamingQueryProgress {
  readonly id: string;
  readonly runId: string;
  readonly name: string | null;
  /** When the trigger began, ISO 8601 in UTC. */
  readonly timestamp: string;
  readonly batchId: number;
  /** Rows read, unreadable ones included. */
  readonly numInputRows: number;
  readonly inputRowsPerSecond: number;
  readonly processedRowsPerSecond: number;
  /** Milliseconds by step: triggerExecution, latestOffset, walCommit, getBatch, addBatch, commitOffsets. */
  readonly durationMs: Readonly<Record<string, number>>;
  /** ISO 8601 in UTC; min, max and avg only if the batch had rows. */
  readonly eventTime: Readonly<
    { watermark: string; min?: string; max?: string; avg?: string }
  >;
  readonly stateOperators: readonly StateOperatorProgress[];
  readonly sources: readonly SourceProgress[];
  readonly sink: { readonly description: string; readonly numOutputRows: number };
  /** What became of the rows of this batch and of all batches so far. */
  readonly rows: RowAccounting;
}

export interface StateOperatorProgress {
  readonly operatorName: "stateStoreSave";
  readonly numRowsTotal: number;
  readonly numRowsUpdated: number;
  readonly numRowsRemoved: number;
  /** Distinct late windows of the batch, as Spark counts them. */
  readonly numRowsDroppedByWatermark: number;
}

export interface SourceProgress {
  readonly description: string;
  readonly startOffset: Readonly<Record<string, Offsets>>;
  readonly endOffset: Readonly<Record<string, Offsets>>;
  readonly latestOffset: Readonly<Record<string, Offsets>>;
  readonly numInputRows: number;
}

/** Counts of rows. A row of a sliding window counts once for each window it falls in, once read. */
export interface RowAccounting {
  /** Rows of this batch that are in no window: unreadable, or without an event time. */
  readonly rejected: number;
  /** Rows of this batch that lost a field (it became null) and were counted all the same. */
  readonly malformed: number;
  /** Rows of this batch that could not be scored; their probability is 0.0. */
  readonly unscored: number;
  /** Rows of this batch dropped because their window was closed. */
  readonly late: number;
  /** All batches so far: read = counted + late + rejected + open. */
  readonly total: Readonly<
    { read: number; counted: number; late: number; rejected: number; open: number }
  >;
}
