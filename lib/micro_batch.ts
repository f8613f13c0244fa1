import type { DataFrame } from "polars";
import type { Checkpoint, InitialOffsets } from "./checkpoint/checkpoint.ts";
import type { StateEntry } from "./checkpoint/state_log.ts";
import { ChunkReader } from "./threads/reader.ts";
import { advanceState, applyStep, groupsIn } from "./windows/state.ts";
import { explain } from "./explain.ts";
import { findLoss } from "./checkpoint/loss.ts";
import { limitOffsets, pick, sameOffsets } from "./core/offsets.ts";
import {
  type BatchProgress,
  batchProgress,
  type QueryStanding,
  stopwatch,
  type StreamingQueryProgress,
} from "./progress.ts";
import { type Cursor, type OffsetEntry, resume } from "./checkpoint/resume.ts";
import { askOffsets } from "./core/source_calls.ts";
import type { Offsets, Sink, Source } from "./core/types.ts";
import { isoTime } from "./core/time.ts";
import { addTotals } from "./windows/accounting.ts";
import { nextWatermark } from "./windows/watermark.ts";
import { DEFAULTS, type ReadOptions, type WriteOptions } from "./options.ts";
import { unlessStopped } from "./wait.ts";
import { mergeChunks, type Outputs, type Pipeline, type PreparedChunk } from "./pipeline.ts";

/** What a query consists of. */
export interface QueryParts {
  readonly source: Source;
  readonly pipeline: Pipeline;
  readonly sinks: Outputs<Sink>;
  readonly checkpoint: Checkpoint;
  /** Where the first batch begins, if the checkpoint does not say it yet. */
  readonly first?: InitialOffsets | undefined;
  readonly reading: ReadOptions;
  readonly writing: WriteOptions;
}

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
  /** The newest offsets seen of the source that the cursor is of. */
  #latest: Offsets | undefined;
  /** Offsets known to be gone with a topic or a partition, beside those the source counts. */
  #lostOffsets = 0;
  readonly #reader: ChunkReader;
  readonly #stop: AbortSignal;

  private constructor(
    parts: QueryParts,
    stop: AbortSignal,
    cursor: Cursor & { start: Offsets },
    entry: StateEntry,
  ) {
    this.#parts = parts;
    this.#stop = stop;
    this.#cursor = cursor;
    this.#entry = entry;
    this.#reader = new ChunkReader(parts.source, (slices) => parts.pipeline.read(slices));
  }

  /** Picks up where the checkpoint's logs say. After `stop` it waits for the source no longer. */
  static async resume(parts: QueryParts, stop: AbortSignal): Promise<MicroBatches> {
    const cursor = await parts.checkpoint.cursor();
    const entry = await parts.checkpoint.readState(cursor.batchId - 1);
    const { end, sourceId } = cursor.start
      ? { end: cursor.start, sourceId: cursor.sourceId }
      : await parts.checkpoint.initialOffsets(parts.first);
    return new MicroBatches(parts, stop, { ...cursor, start: end, sourceId }, entry);
  }

  /** The batch that runs next and the range it starts at. */
  get cursor(): Cursor & { readonly start: Offsets } {
    return this.#cursor;
  }

  /** The windows still open after the last batch, as rows of the result. */
  get openWindows(): DataFrame {
    return this.#parts.pipeline.rows(groupsIn(this.#entry.state));
  }

  /** Where the query stands after its last batch, of this process or of one before. */
  get standing(): QueryStanding {
    const { state, total } = this.#entry;
    return {
      nextBatchId: this.#cursor.batchId,
      watermark: isoTime(this.#cursor.watermark),
      openGroups: state.size,
      rows: { ...total, open: state.rows },
    };
  }

  /** Says in words why windows are written or not, after these batches. */
  explain(progress: readonly StreamingQueryProgress[]): string {
    const { mode, size, delay } = this.#parts.pipeline;
    return explain(progress, { mode, size, delay, groups: groupsIn(this.#entry.state) });
  }

  /** Runs the next batch if one is due; returns its progress, or `undefined` if none was. */
  async runNext(limits: TriggerLimits = {}): Promise<BatchProgress | undefined> {
    const { source, pipeline, sinks, checkpoint, reading, writing } = this.#parts;
    const watch = stopwatch(writing.now ?? Date.now);
    const { batchId, planned } = this.#cursor;
    const latest = await unlessStopped(askOffsets(source, "latestOffsets"), this.#stop);
    const { start, lost } = await unlessStopped(this.#startOf(latest), this.#stop);
    const entry = planned ?? this.#plan(start, latest, { ...limits, timestampMs: watch.began });
    if (entry === undefined) return undefined;
    this.#lostOffsets += lost;
    watch.lap("latestOffset");
    if (planned === undefined) await checkpoint.writeOffsets(batchId, entry); // 1. now it is fixed
    watch.lap("walCommit");

    const marks = this.#watermarks(entry);
    const clock = entry.batchTimestampMs;
    const context = { ...marks, clock };
    const chunks: PreparedChunk[] = [];
    const range = pick(start, entry.end);
    const end = pick(entry.end, range); // without partitions that are gone
    const likelyEnd = limitOffsets(end, latest, reading.maxOffsetsPerTrigger);
    const read = this.#reader.chunks(range, end, likelyEnd);
    for (;;) {
      const { done, value: chunk } = await unlessStopped(read.next(), this.#stop); // 2. read
      if (done) break;
      watch.lap("getBatch");
      chunks.push(pipeline.prepare(chunk, context)); // 3. compute
      watch.lap("addBatch");
    }
    const batch = mergeChunks(chunks, batchId);
    const { mode, size, merges, delay, idleAfter } = pipeline;
    const step = advanceState(this.#entry.state, batch.groups, { mode, size, merges, ...marks });
    const tables = { result: pipeline.rows(step.emitted), ...batch.asides };
    for (const [name, rows] of Object.entries(tables)) { // 4. write, idempotent by batch id
      if (rows) await sinks[name as keyof Outputs<Sink>]?.addBatch(batchId, rows);
    }
    watch.lap("addBatch");

    const partialRows = batch.groups.reduce((sum, { rows }) => sum + rows, 0);
    const total = addTotals(this.#entry.total, step, { ...batch, partialRows });
    const before = { watermark: entry.batchWatermarkMs, partitions: this.#cursor.partitions };
    const next = nextWatermark(before, batch, { delay, idleAfter, clock });
    const commit = { nextBatchWatermarkMs: next.watermark, partitions: next.partitions };
    const { state } = this.#entry;
    applyStep(state, step);
    await checkpoint.writeState(batchId, { state, total }, step); // 5. keep the open windows
    await checkpoint.writeCommit(batchId, commit); // 6. done
    const { minBatchesToRetain = DEFAULTS.minBatchesToRetain } = writing;
    const retained = Math.max(2, minBatchesToRetain); // a start reads the offsets of two
    if (batchId % 10 === 9) await checkpoint.purge(batchId + 1 - retained);
    watch.lap("commitOffsets");

    this.#entry = { state, total };
    this.#evictedWith = entry.batchWatermarkMs;
    const done = { lastOffsets: { batchId, entry }, lastCommit: { batchId, entry: commit } };
    this.#cursor = { ...resume(done), start: entry.end }; // as a restart would
    const lostOffsets = this.#lostOffsets + (source.lostOffsets ?? 0);
    const since = watch.began - (this.#lastTrigger ?? watch.began);
    this.#lastTrigger = watch.began;
    const byTopic = (offsets: Offsets) => ({ [source.topic]: offsets });
    return batchProgress({
      batchId,
      ...watch,
      since,
      watermark: marks.watermark,
      batch,
      step,
      state,
      total,
      source: {
        description: source.description,
        startOffset: byTopic(range),
        endOffset: byTopic(entry.end),
        latestOffset: byTopic(latest),
        ...(lostOffsets > 0 || source.lostOffsets !== undefined) && { lostOffsets },
      },
      sink: sinks.result.description,
    });
  }

  /** Decides on a batch: new offsets, or none when only windows are to be closed. */
  #plan(
    start: Offsets,
    latest: Offsets,
    { until = latest, once = false, timestampMs }: TriggerLimits & { timestampMs: number },
  ): OffsetEntry | undefined {
    const { source, pipeline, reading, writing } = this.#parts;
    const end = limitOffsets(start, until, once ? Infinity : reading.maxOffsetsPerTrigger);
    const mayBeEmpty = (writing.noDataMicroBatches ?? DEFAULTS.noDataMicroBatches) && !once &&
      pipeline.mode !== "complete";
    const closesWindows = mayBeEmpty &&
      this.#evictedWith !== undefined && this.#cursor.watermark > this.#evictedWith;
    if (sameOffsets(start, end) && !closesWindows) return undefined;
    return {
      end,
      sourceId: source.identity ?? this.#cursor.sourceId,
      batchWatermarkMs: this.#cursor.watermark,
      batchTimestampMs: timestampMs,
      conf: pipeline.conf,
    };
  }

  #watermarks(entry: OffsetEntry): { lateWatermark: number | null; watermark: number | null } {
    const { delay, mode } = this.#parts.pipeline;
    if (delay === null) return { lateWatermark: null, watermark: null };
    const lateWatermark = mode === "complete" ? null : this.#cursor.lateWatermark; // none is late
    return { lateWatermark, watermark: entry.batchWatermarkMs };
  }

  /**
   * Returns where to read from, and how many offsets are lost: new partitions begin at their earliest offset,
   * and so does a topic made anew, where a batch that was planned before reads nothing.
   */
  async #startOf(latest: Offsets): Promise<{ start: Offsets; lost: number }> {
    const { source, reading: { failOnDataLoss = DEFAULTS.failOnDataLoss } } = this.#parts;
    const { planned } = this.#cursor;
    const there = { latest, identity: source.identity, seen: this.#latest };
    const { known, lost, isAnew, why } = findLoss(this.#cursor, there);
    if (why !== undefined && failOnDataLoss) {
      throw new RangeError(
        `Data of ${source.description} is lost: ${why}. ` +
          `Start over with a new checkpoint, or go on without it with failOnDataLoss: false`,
      );
    }
    if (!isAnew) this.#latest = latest;
    if (isAnew && planned && planned.sourceId !== there.identity) return { start: {}, lost };
    if (Object.keys(latest).every((partition) => partition in known)) return { start: known, lost };
    return { start: { ...await askOffsets(source, "earliestOffsets"), ...known }, lost };
  }
}
