import type { DataFrame } from "polars";
import type { Checkpoint, StateEntry } from "./checkpoint/checkpoint.ts";
import { advanceState, type Group, type Merge } from "./core/aggregate.ts";
import { type Cursor, limitOffsets, type OffsetEntry, sameOffsets } from "./core/plan.ts";
import {
  addTotals,
  eventTimeProgress,
  isoTime,
  type RowCounts,
  stateOperator,
  type StreamingQueryProgress,
} from "./core/progress.ts";
import type { Messages, Offsets, OutputMode, Sink, Source } from "./core/types.ts";
import { advanceWatermark, eventTimeStats } from "./core/watermark.ts";

/** A batch read, scored and ready to be aggregated. */
export interface PreparedBatch extends RowCounts {
  /** Epoch ms, NaN for a row without one; shape [n]. */
  readonly eventTimes: Float64Array;
  readonly groups: readonly Group[];
  /** Returns the rows to keep aside, with their reasons; undefined if there are none. */
  asideRows(batchId: number, lateWatermark: number | null): DataFrame | undefined;
}

/** What the builder makes of a query: the part between reading and writing. */
export interface Pipeline {
  readonly mode: OutputMode;
  /** Window size, ms. */
  readonly size: number;
  readonly merges: readonly Merge[];
  /** Delay of the watermark, ms; null without `withWatermark`. */
  readonly delay: number | null;
  /** Settings to record with each batch. */
  readonly conf: Readonly<Record<string, string>>;
  prepare(messages: readonly Messages[], batchTimestampMs: number): Promise<PreparedBatch>;
  rows(groups: readonly Group[]): DataFrame;
}

/** All that a query consists of. */
export interface QueryParts {
  readonly source: Source;
  readonly pipeline: Pipeline;
  readonly sink: Sink;
  /** Where rows go that are late or cannot be read. */
  readonly rejected?: Sink | undefined;
  readonly checkpoint: Checkpoint;
  /** Finds where the first batch begins. */
  readonly startingOffsets: () => Promise<Offsets>;
  readonly maxOffsetsPerTrigger?: number | undefined;
  readonly failOnDataLoss: boolean;
  readonly noDataMicroBatches: boolean;
  readonly minBatchesToRetain: number;
  /** Epoch ms. */
  readonly now: () => number;
}

/** What a batch reports, before the query adds who it is. */
export type BatchProgress = Omit<StreamingQueryProgress, "id" | "runId" | "name">;

/** What one trigger may do. */
export interface TriggerLimits {
  /** Read no further than this; the newest offset if absent. */
  readonly until?: Offsets | undefined;
  /** Ignore `maxOffsetsPerTrigger` and run no batch without data: Spark's Trigger.Once. */
  readonly once?: boolean;
}

/**
 * Runs the micro-batches of a query, one at a time:
 *
 *   offsets/N → read → compute → write to the sink → state/N → commits/N
 *
 * What is on disk decides what a restart does. A batch is fixed once its offsets are written and
 * done once its commit is; between the two it runs again, and the sink replaces what it had.
 */
export class MicroBatches {
  readonly #parts: QueryParts;
  #cursor: Cursor & { readonly start: Offsets };
  #entry: StateEntry;
  /** The watermark that the last batch of this process evicted with. */
  #evictedWith: number | undefined;
  #lastTrigger: number | undefined;
  #ahead: { start: Offsets; end: Offsets; messages: Promise<readonly Messages[]> } | undefined;

  private constructor(parts: QueryParts, cursor: Cursor & { start: Offsets }, entry: StateEntry) {
    this.#parts = parts;
    this.#cursor = cursor;
    this.#entry = entry;
  }

  /** Picks up where the checkpoint's logs say. */
  static async resume(parts: QueryParts): Promise<MicroBatches> {
    const { checkpoint, startingOffsets } = parts;
    const cursor = await checkpoint.cursor();
    const start = cursor.start ?? await checkpoint.initialOffsets(startingOffsets);
    const entry = await checkpoint.readState(cursor.batchId - 1);
    return new MicroBatches(parts, { ...cursor, start }, entry);
  }

  /** The batch that runs next and the range it starts at. */
  get cursor(): Cursor & { readonly start: Offsets } {
    return this.#cursor;
  }

  /** The windows still open after the last batch, as rows of the result. */
  get openWindows(): DataFrame {
    return this.#parts.pipeline.rows([...this.#entry.state.values()]);
  }

  /** Runs the next batch if one is due; returns its progress, or `undefined` if none was. */
  async runNext(limits: TriggerLimits = {}): Promise<BatchProgress | undefined> {
    const { source, pipeline, sink, rejected, checkpoint, minBatchesToRetain } = this.#parts;
    const watch = stopwatch(this.#parts.now);
    const { batchId, lateWatermark, planned } = this.#cursor;

    const latest = await source.latestOffsets();
    const start = await this.#startOf(latest);
    const entry = planned ?? this.#plan(start, latest, { ...limits, timestampMs: watch.began });
    if (entry === undefined) return undefined;
    watch.lap("latestOffset");
    if (planned === undefined) await checkpoint.writeOffsets(batchId, entry); // 1. now it is fixed
    watch.lap("walCommit");
    const messages = await this.#read(pick(start, entry.end), entry.end, latest); // 2. read
    watch.lap("getBatch");

    const batch = await pipeline.prepare(messages, entry.batchTimestampMs); // 3. compute
    const marks = this.#watermarks(entry);
    const step = advanceState(this.#entry.state, batch.groups, { ...pipeline, ...marks });
    const stats = eventTimeStats(batch.eventTimes);
    await sink.addBatch(batchId, pipeline.rows(step.emitted)); // 4. write, idempotent by batch id
    if (rejected !== undefined) {
      const aside = batch.asideRows(batchId, step.lateRows > 0 ? marks.lateWatermark : null);
      if (aside !== undefined) await rejected.addBatch(batchId, aside);
    }
    watch.lap("addBatch");

    const partialRows = batch.groups.reduce((sum, { rows }) => sum + rows, 0);
    const total = addTotals(this.#entry.total, step, { ...batch, partialRows });
    const watermark = stats === undefined || pipeline.delay === null
      ? entry.batchWatermarkMs
      : advanceWatermark(entry.batchWatermarkMs, {
        maxEventTime: stats.max,
        delay: pipeline.delay,
      });
    await checkpoint.writeState(batchId, { state: step.state, total }); // 5. keep the open windows
    await checkpoint.writeCommit(batchId, { nextBatchWatermarkMs: watermark }); // 6. done
    if (batchId % 10 === 9) await checkpoint.purge(batchId + 1 - minBatchesToRetain);
    watch.lap("commitOffsets");

    this.#entry = { state: step.state, total };
    this.#evictedWith = entry.batchWatermarkMs;
    this.#cursor = {
      batchId: batchId + 1,
      start: entry.end,
      lateWatermark: entry.batchWatermarkMs,
      watermark,
    };
    const numInputRows = batch.eventTimes.length;
    const since = watch.began - (this.#lastTrigger ?? watch.began);
    this.#lastTrigger = watch.began;
    const byTopic = (offsets: Offsets) => ({ [source.topic]: offsets });
    let open = 0;
    for (const { rows } of step.state.values()) open += rows;
    return {
      timestamp: isoTime(watch.began),
      batchId,
      numInputRows,
      inputRowsPerSecond: perSecond(numInputRows, since),
      processedRowsPerSecond: perSecond(numInputRows, watch.total()),
      durationMs: { ...watch.laps, triggerExecution: watch.total() },
      eventTime: eventTimeProgress(marks.watermark, stats),
      stateOperators: [stateOperator(step)],
      sources: [{
        description: source.description,
        startOffset: byTopic(pick(start, entry.end)),
        endOffset: byTopic(entry.end),
        latestOffset: byTopic(latest),
        numInputRows,
      }],
      sink: { description: sink.description, numOutputRows: step.emitted.length },
      rows: {
        rejected: batch.rejected,
        malformed: batch.malformed,
        unscored: batch.unscored,
        late: step.lateRows,
        total: { ...total, open },
      },
    };
  }

  /** Decides on a batch: new offsets, or none when only windows are to be closed. */
  #plan(
    start: Offsets,
    latest: Offsets,
    { until = latest, once = false, timestampMs }: TriggerLimits & { timestampMs: number },
  ): OffsetEntry | undefined {
    const { pipeline, maxOffsetsPerTrigger, noDataMicroBatches } = this.#parts;
    const bound = { ...start, ...pick(until, start) };
    const end = limitOffsets(start, bound, once ? Infinity : maxOffsetsPerTrigger);
    const closesWindows = noDataMicroBatches && !once && pipeline.mode !== "complete" &&
      this.#evictedWith !== undefined && this.#cursor.watermark > this.#evictedWith;
    if (sameOffsets(start, end) && !closesWindows) return undefined;
    return {
      end,
      batchWatermarkMs: this.#cursor.watermark,
      batchTimestampMs: timestampMs,
      conf: pipeline.conf,
    };
  }

  #watermarks(entry: OffsetEntry): { lateWatermark: number | null; watermark: number | null } {
    if (this.#parts.pipeline.delay === null) return { lateWatermark: null, watermark: null };
    return { lateWatermark: this.#cursor.lateWatermark, watermark: entry.batchWatermarkMs };
  }

  /** Returns where to read from: new partitions begin at their earliest offset. */
  async #startOf(latest: Offsets): Promise<Offsets> {
    const { source, failOnDataLoss } = this.#parts;
    const start = this.#cursor.start;
    const lost = Object.keys(start).filter((p) => !(p in latest) || latest[p]! < start[p]!);
    if (lost.length > 0 && failOnDataLoss) {
      const list = lost.map((p) =>
        `partition ${p} ends at ${latest[p] ?? "nothing"}, not ${start[p]}`
      );
      throw new RangeError(
        `Data of ${source.description} is lost: ${list.join(", ")}; was it deleted or made anew? ` +
          `Start over with a new checkpoint, or go on without it with failOnDataLoss: false`,
      );
    }
    const known = Object.fromEntries(Object.entries(start).filter(([p]) => !lost.includes(p)));
    if (Object.keys(latest).every((partition) => partition in known)) return known;
    return { ...await source.earliestOffsets(), ...known };
  }

  /** Reads a range, and starts to read the one that will follow while this one is computed. */
  async #read(start: Offsets, end: Offsets, latest: Offsets): Promise<readonly Messages[]> {
    const { source, maxOffsetsPerTrigger } = this.#parts;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const isHere = ahead && sameOffsets(ahead.start, start) && sameOffsets(ahead.end, end);
    const messages = await (isHere ? ahead.messages : source.getBatch(start, end));
    const next = limitOffsets(end, { ...end, ...pick(latest, end) }, maxOffsetsPerTrigger);
    if (maxOffsetsPerTrigger !== undefined && !sameOffsets(end, next)) {
      const following = source.getBatch(end, next);
      following.catch(() => {}); // raised where it is awaited, if that batch is ever run
      this.#ahead = { start: end, end: next, messages: following };
    }
    return messages;
  }
}

/** Returns the offsets of the partitions that `by` names too. */
function pick(offsets: Offsets, by: Offsets): Offsets {
  return Object.fromEntries(Object.entries(offsets).filter(([partition]) => partition in by));
}

function perSecond(rows: number, ms: number): number {
  return ms > 0 ? rows / (ms / 1000) : 0;
}

/** Measures the steps of a batch in milliseconds, each from the end of the one before. */
function stopwatch(now: () => number) {
  const began = now();
  let last = began;
  const laps: Record<string, number> = {};
  return {
    began,
    laps,
    lap(name: string): void {
      laps[name] = now() - last;
      last += laps[name];
    },
    total: () => last - began,
  };
}
