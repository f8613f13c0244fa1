import type { Step } from "./aggregate.ts";
import type { Offsets } from "./types.ts";
import type { EventTimeStats } from "./watermark.ts";

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
  /** Rows over the time since the trigger before began. */
  readonly inputRowsPerSecond: number;
  /** Rows over the time this trigger took. */
  readonly processedRowsPerSecond: number;
  /** Milliseconds by step: latestOffset, walCommit, getBatch, addBatch, commitOffsets, and triggerExecution for all. */
  readonly durationMs: Readonly<Record<string, number>>;
  /** ISO 8601 in UTC; watermark only with a watermark, min, max and avg only if the batch had rows. */
  readonly eventTime: Readonly<{ watermark?: string; min?: string; max?: string; avg?: string }>;
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
  /** Offsets lost so far, where the query may go on without them. */
  readonly lostOffsets?: number;
}

/** Counts of rows. In sliding windows a row counts once for each window it is in, also as read. */
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
  readonly total: RowTotals & { readonly open: number };
}

/** What became of the rows of all batches so far. */
export interface RowTotals {
  readonly read: number;
  /** Rows in windows that are final. */
  readonly counted: number;
  readonly late: number;
  readonly rejected: number;
}

/** Rows of one batch that did not go the usual way. */
export interface RowCounts {
  readonly rejected: number;
  readonly malformed: number;
  readonly unscored: number;
}

/** Adds what one batch did to the totals; `partialRows` are the rows of its groups, late or not. */
export function addTotals(
  total: RowTotals,
  { lateRows, finalRows }: Step,
  { rejected, partialRows }: { rejected: number; partialRows: number },
): RowTotals {
  return {
    read: total.read + rejected + partialRows,
    counted: total.counted + finalRows,
    late: total.late + lateRows,
    rejected: total.rejected + rejected,
  };
}

/** Returns the progress entry of the state operator. */
export function stateOperator(step: Step): StateOperatorProgress {
  const { state, numRowsUpdated, numRowsRemoved, numRowsDroppedByWatermark } = step;
  return {
    operatorName: "stateStoreSave",
    numRowsTotal: state.size,
    numRowsUpdated,
    numRowsRemoved,
    numRowsDroppedByWatermark,
  };
}

/** Returns the progress entry of event times, all epoch ms; empty without a watermark. */
export function eventTimeProgress(
  watermark: number | null,
  { count, min, max, avg }: EventTimeStats,
): StreamingQueryProgress["eventTime"] {
  if (watermark === null) return {};
  return {
    watermark: isoTime(watermark),
    ...count > 0 && { min: isoTime(min), max: isoTime(max), avg: isoTime(avg) },
  };
}

/** Writes epoch milliseconds as ISO 8601 in UTC; beyond the years of `Date`, its last instant. */
export function isoTime(ms: number): string {
  const bounded = Math.max(-8.64e15, Math.min(8.64e15, ms));
  return new Date(bounded).toISOString().replace(/^\+0*/, "");
}
