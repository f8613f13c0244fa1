import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import type { StateEntry } from "./checkpoint/state_log.ts";
import { ChunkReader } from "./threads/reader.ts";
import { advanceState, applyStep } from "./windows/state.ts";
import { findLoss } from "./checkpoint/loss.ts";
import { limitOffsets, pick, sameOffsets } from "./core/offsets.ts";
import { type BatchProgress, batchProgress, stopwatch } from "./progress.ts";
import { type Cursor, type OffsetEntry, resume } from "./checkpoint/resume.ts";
import { askOffsets } from "./core/source_calls.ts";
import type { Offsets, Sink, Source } from "./core/types.ts";
import { addTotals } from "./windows/accounting.ts";
import { nextWatermark } from "./windows/watermark.ts";
import { DEFAULTS, type ReadOptions, type WriteOptions } from "./options.ts";
import { unlessStopped } from "./wait.ts";
import { type Batch, mergeChunks, type Outputs, type Pipeline } from "./pipeline.ts";
import type { Part } from "./windows/aside.ts";

/** What a query consists of. */
export interface QueryParts {
  readonly source: Source;
  readonly pipeline: Pipeline;
  readonly sinks: Outputs<Sink>;
  readonly checkpoint: Checkpoint;
  /** Where it goes on at its start, and the state there. */
  readonly cursor: Cursor;
  readonly entry: StateEntry;
  readonly reading: ReadOptions;
  readonly writing: WriteOptions;
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
  #cursor: Cursor;
  #entry: StateEntry;
  /** When the last batch of this process began. */
  #lastTrigger: number | undefined;
  /** Where it ends if it takes only what was there at first. */
  #until: Offsets | undefined;
  /** The newest offsets seen of the source that the cursor is of. */
  #latest: Offsets | undefined;
  /** Offsets known to be gone with a topic or a partition, beside those the source counts. */
  #lostOffsets = 0;
  readonly #reader: ChunkReader;
  readonly #stop: AbortSignal;

  /** Goes on where `parts` says. After `stop` it waits for the source no longer. */
  constructor(parts: QueryParts, stop: AbortSignal) {
    this.#parts = parts;
    this.#stop = stop;
    this.#cursor = parts.cursor;
    this.#entry = parts.entry;
    this.#reader = new ChunkReader(parts.source, (slices) => parts.pipeline.read(slices));
  }

  /** The batch that runs next and where it starts. */
  get cursor(): Cursor {
    return this.#cursor;
  }

  /** The state after the last batch, of this process or of one before. */
  get entry(): StateEntry {
    return this.#entry;
  }

  /** Runs the next batch if one is due; returns its progress, or `undefined` if none was. */
  async runNext(): Promise<BatchProgress | undefined> {
    const { source, pipeline, sinks, checkpoint, reading, writing } = this.#parts;
    const watch = stopwatch(writing.now ?? Date.now);
    const { batchId, planned } = this.#cursor;
    const latest = await unlessStopped(askOffsets(source, "latestOffsets"), this.#stop);
    const { start, lost } = await unlessStopped(this.#startOf(latest), this.#stop);
    const until = writing.trigger === "available-now" ? this.#until ??= latest : latest;
    const entry = planned ?? this.#plan(start, until, watch.began);
    if (entry === undefined) return undefined;
    this.#lostOffsets += lost;
    watch.lap("latestOffset");
    if (planned === undefined) await checkpoint.writeOffsets(batchId, entry); // 1. now it is fixed
    watch.lap("walCommit");

    const { mode, size, merges, delay, idleAfter } = pipeline;
    const watermark = delay === null ? null : entry.batchWatermarkMs;
    const noneIsLate = delay === null || mode === "complete";
    const lateWatermark = noneIsLate ? null : this.#cursor.before.batchWatermarkMs;
    const clock = entry.batchTimestampMs;
    const chunks: Batch<Part>[] = [];
    const range = pick(start, entry.end);
    const end = pick(entry.end, range); // without partitions that are gone
    const likelyEnd = limitOffsets(end, latest, reading.maxOffsetsPerTrigger);
    const read = this.#reader.chunks(range, end, likelyEnd);
    for (;;) {
      const { done, value: chunk } = await unlessStopped(read.next(), this.#stop); // 2. read
      if (done) break;
      watch.lap("getBatch");
      chunks.push(pipeline.prepare(chunk, { lateWatermark, clock })); // 3. compute
      watch.lap("addBatch");
    }
    const batch = mergeChunks(chunks, batchId);
    const rules = { mode, size, merges, lateWatermark, watermark };
    const step = advanceState(this.#entry.state, batch.groups, rules);
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
    await checkpoint.states.write(batchId, { state, total }, step); // 5. keep the open windows
    await checkpoint.writeCommit(batchId, commit); // 6. done
    const { minBatchesToRetain = DEFAULTS.minBatchesToRetain } = writing;
    const retained = Math.max(2, minBatchesToRetain); // a start reads the offsets of two
    if (batchId % 10 === 9) await checkpoint.purge(batchId + 1 - retained);
    watch.lap("commitOffsets");

    this.#entry = { state, total };
    this.#cursor = resume(new Map([[batchId, entry]]), new Map([[batchId, commit]])); // as a restart would
    const lostOffsets = this.#lostOffsets + (source.lostOffsets ?? 0);
    const since = watch.began - (this.#lastTrigger ?? watch.began);
    this.#lastTrigger = watch.began;
    const byTopic = (offsets: Offsets) => ({ [source.topic]: offsets });
    return batchProgress(batch, {
      batchId,
      watch,
      since,
      watermark,
      step,
      entry: this.#entry,
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
  #plan(start: Offsets, until: Offsets, batchTimestampMs: number): OffsetEntry | undefined {
    const { source, pipeline, reading, writing } = this.#parts;
    const once = writing.trigger === "once"; // without a limit, as Spark's
    const end = limitOffsets(start, until, once ? Infinity : reading.maxOffsetsPerTrigger);
    const mayBeEmpty = (writing.noDataMicroBatches ?? DEFAULTS.noDataMicroBatches) && !once &&
      pipeline.mode !== "complete";
    const { before, watermark } = this.#cursor;
    const closesWindows = mayBeEmpty && this.#lastTrigger !== undefined &&
      watermark > before.batchWatermarkMs;
    if (sameOffsets(start, end) && !closesWindows) return undefined;
    return {
      end,
      sourceId: source.identity ?? before.sourceId,
      batchWatermarkMs: watermark,
      batchTimestampMs,
      conf: pipeline.conf,
    };
  }

  /**
   * Returns where to read from, and how many offsets are lost: new partitions begin at their earliest offset,
   * and so does a topic made anew, where a batch that was planned before reads nothing.
   */
  async #startOf(latest: Offsets): Promise<{ start: Offsets; lost: number }> {
    const { source, reading: { failOnDataLoss = DEFAULTS.failOnDataLoss } } = this.#parts;
    const { planned } = this.#cursor;
    const there = { latest, seen: this.#latest, failOnDataLoss };
    const { known, lost, isAnew } = findLoss(this.#cursor, source, there);
    if (!isAnew) this.#latest = latest;
    if (isAnew && planned && planned.sourceId !== source.identity) return { start: {}, lost };
    if (Object.keys(latest).every((partition) => partition in known)) return { start: known, lost };
    return { start: { ...await askOffsets(source, "earliestOffsets"), ...known }, lost };
  }
}
