import type { StateEntry } from "./checkpoint/state_log.ts";
import type { Step } from "./windows/state.ts";
import type { Offsets } from "./core/types.ts";
import { isoTime } from "./core/time.ts";
import type { RowTotals } from "./windows/accounting.ts";
import type { EventTimeStats, newestByPartition } from "./windows/watermark.ts";

/** Where a query stands: what its next batch finds. */
export interface QueryStanding {
  readonly nextBatchId: number;
  /** In ISO form. */
  readonly watermark: string;
  /** Windows still open, with keys once for each of their values. */
  readonly openGroups: number;
  /** What became of all rows: read = counted + late + rejected + open. */
  readonly rows: RowTotals & { readonly open: number };
}

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
  /** The greatest event time read of each partition, ISO 8601 in UTC; not in Spark's. */
  readonly maxEventTime?: Readonly<Record<string, string>>;
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

/** What the rows of a batch, or of a part of one, tell. */
export interface RowFacts extends Pick<RowAccounting, "rejected" | "malformed" | "unscored"> {
  readonly stats: EventTimeStats;
  /** The greatest event time of each partition, epoch ms; of a batch in ascending order. */
  readonly newest: ReturnType<typeof newestByPartition>;
}

/** What a batch reports, before the query adds who it is. */
export type BatchProgress = Omit<StreamingQueryProgress, "id" | "runId" | "name">;

/** Returns the progress of a batch that is done, whose trigger began `since` ms after the one before. */
export function batchProgress(
  { rejected, malformed, unscored, newest, stats: { count, min, max, avg } }: RowFacts,
  { batchId, watch: { began, laps }, since, watermark, step, entry, source, sink }: {
    batchId: number;
    watch: ReturnType<typeof stopwatch>;
    since: number;
    watermark: number | null;
    step: Step;
    /** What it leaves. */
    entry: StateEntry;
    source: Omit<SourceProgress, "numInputRows" | "maxEventTime">;
    sink: string;
  },
): BatchProgress {
  const triggerExecution = Object.values(laps).reduce((sum, ms) => sum + ms, 0);
  const perSecond = (ms: number) => ms > 0 ? count / (ms / 1000) : 0;
  const stats = count > 0 ? { min: isoTime(min), max: isoTime(max), avg: isoTime(avg) } : {};
  return {
    timestamp: isoTime(began),
    batchId,
    numInputRows: count,
    inputRowsPerSecond: perSecond(since),
    processedRowsPerSecond: perSecond(triggerExecution),
    durationMs: { ...laps, triggerExecution },
    eventTime: watermark === null ? {} : { watermark: isoTime(watermark), ...stats },
    stateOperators: [{
      operatorName: "stateStoreSave",
      numRowsTotal: entry.state.size,
      numRowsUpdated: step.numRowsUpdated,
      numRowsRemoved: step.numRowsRemoved,
      numRowsDroppedByWatermark: step.numRowsDroppedByWatermark,
    }],
    sources: [{
      ...source,
      numInputRows: count,
      maxEventTime: Object.fromEntries(newest.map(([p, time]) => [p, isoTime(time)])),
    }],
    sink: { description: sink, numOutputRows: step.emitted.length },
    rows: {
      rejected,
      malformed,
      unscored,
      late: step.lateRows,
      total: { ...entry.total, open: entry.state.rows },
    },
  };
}

/** Measures the steps of a batch in milliseconds, each from the end of the one before. */
export function stopwatch(now: () => number) {
  const began = now();
  if (!Number.isFinite(began)) throw new TypeError(`now() must give epoch ms, got ${began}`);
  let last = began;
  const laps: Record<string, number> = {};
  return {
    began,
    laps,
    lap(name: string): void {
      const time = now();
      laps[name] = (laps[name] ?? 0) + time - last;
      last = time;
    },
  };
}
