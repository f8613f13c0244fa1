import pl, { type DataFrame } from "polars";
import { fieldsRead } from "./expressions.ts";
import {
  asidePart,
  type AsideRow,
  asideTable,
  keptPart,
  keptTable,
  type Part,
  type RowTimes,
  sortOut,
} from "./windows/aside.ts";
import { parseDuration } from "./core/duration.ts";
import { frameOf, partialGroups, rowsOf } from "./windows/frame.ts";
import type { Group, Merge } from "./windows/state.ts";
import type { RowFacts } from "./progress.ts";
import type { NumberColumn, OutputMode, Schema } from "./core/types.ts";
import type { WriteOptions } from "./options.ts";
import { type QueryPlan, SCORE } from "./plan.ts";
import { windowsPerRow } from "./windows/window.ts";
import { eventTimeStats, mergeStats, newestByPartition } from "./windows/watermark.ts";
import { readLines } from "./json/lines.ts";
import { leaveFrame } from "./leave_frame.ts";
import { type Chunk, type ChunkPlan, lengthOf, placeOf, type Slice } from "./threads/chunk.ts";
import { ChunkPool } from "./threads/pool.ts";

/** What a chunk of a batch is computed with. */
export interface BatchContext {
  /** When the batch was planned, epoch ms. */
  readonly clock: number;
  /** Windows that end at or before it are late; null if none are. */
  readonly lateWatermark: number | null;
}

/** A batch, or a chunk of one, scored and aggregated. */
export interface Batch<Aside> extends RowFacts {
  readonly groups: readonly Group[];
  /** Rows to write beside the windows, if there are any and somebody takes them. */
  readonly asides: Asides<Aside>;
}

/** By what they are: rows that are late or cannot be read, and rows that the query wants kept. */
export interface Asides<T> {
  readonly rejected?: T | undefined;
  readonly rows?: T | undefined;
}

/** What a query writes, or where: the windows, and rows beside them. */
export interface Outputs<T> extends Asides<T> {
  readonly result: T;
}

/** The part of a query between reading and writing: score, add columns, aggregate by window; the result. */
export class Pipeline {
  readonly mode: OutputMode;
  /** Window size, ms. */
  readonly size: number;
  readonly merges: readonly Merge[];
  /** Delay of the watermark, ms; null without `withWatermark`. */
  readonly delay: number | null;
  /** After how many ms without a row a partition no longer holds the watermark; null for Spark's rule. */
  readonly idleAfter: number | null;
  /** Settings to record with each batch. */
  readonly conf: Readonly<Record<string, string>>;
  readonly #plan: QueryPlan;
  readonly #takes: WriteOptions;
  /** What becomes a frame. */
  readonly #fields: Schema;
  readonly #chunkPlan: ChunkPlan;
  readonly #pool = new ChunkPool();
  /** The result without rows, which most small batches write. */
  #none: DataFrame | undefined;

  constructor(plan: QueryPlan, takes: WriteOptions) {
    const { schema, model, columns, aggregation, eventTime, timeColumn } = plan;
    const { maxOffsetsPerTrigger } = plan.options;
    const { outputMode, rejected, rows } = takes;
    this.#plan = plan;
    this.#takes = takes;
    this.#fields = fieldsRead(plan, aggregation, rows);
    const wanted = [timeColumn, ...this.#fields.map(({ name }) => name)];
    this.#chunkPlan = { schema, columns: wanted, ...model && { model } };
    this.mode = outputMode;
    this.size = aggregation.window.size;
    this.merges = aggregation.slots.map(({ merge }) => merge);
    this.delay = eventTime ? parseDuration(eventTime.delay) : null;
    this.idleAfter = eventTime?.idleAfter ? parseDuration(eventTime.idleAfter) : null;
    this.conf = {
      ...eventTime && { "watermark.delay": eventTime.delay },
      ...eventTime?.maxAhead && { "watermark.maxAhead": eventTime.maxAhead },
      ...eventTime?.idleAfter && { "watermark.idleAfter": eventTime.idleAfter },
      ...model && { "model.sha256": model.sha256 },
      ...columns.length > 0 && { columns: columns.flat().join(", ") }, // the threshold
      ...maxOffsetsPerTrigger && { maxOffsetsPerTrigger: String(maxOffsetsPerTrigger) },
      ...rejected && { rejected: rejected.description },
      ...rows && { rows: rows.sink.description },
    };
  }

  /** Says that many rows are about to come. */
  expectRows(): void {
    this.#pool.prepare(this.#chunkPlan);
  }

  read(slices: readonly Slice[]): Promise<Chunk> {
    return this.#pool.read(slices, this.#chunkPlan);
  }

  /** Aggregates a chunk by window, and sorts out the rows that are late or lost something. */
  prepare(chunk: Chunk, { clock, lateWatermark }: BatchContext): Batch<Part> {
    const { aggregation, aggregation: { window }, eventTime, timeColumn } = this.#plan;
    const { parsed, scores, slices } = chunk;
    const column = parsed.columns[timeColumn] as NumberColumn;
    const rules = { window, lateWatermark, clock, maxAhead: eventTime?.maxAhead };
    const { eventTimes, aside } = sortOut(column, parsed.problems, rules);
    const ofKind = (kind: AsideRow["kind"]) => aside.filter((row) => row.kind === kind).length;
    const frame = this.#frameOf(chunk);
    leaveFrame(frame, windowsPerRow(window));
    const rows = slices.map((slice) => [slice.partition, lengthOf(slice)] as const);
    return {
      stats: eventTimeStats(eventTimes),
      newest: newestByPartition(rows, eventTimes),
      groups: partialGroups(frame, eventTimes, aggregation),
      rejected: ofKind("rejected"),
      malformed: ofKind("malformed"),
      unscored: scores?.unscored ?? 0,
      asides: this.#asidesOf(frame, slices, aside, { eventTimes, window, lateWatermark }),
    };
  }

  /** Returns the result of groups, in their order. */
  rows(groups: readonly Group[]): DataFrame {
    if (groups.length === 0 && this.#none) return this.#none.clone();
    const { finish, aggregation } = this.#plan;
    const result = finish.reduce((rows, step) => step(rows), rowsOf(groups, aggregation));
    if (groups.length === 0) this.#none = result.clone();
    return result;
  }

  close(): void {
    this.#pool.close();
  }

  #frameOf({ parsed, scores }: Chunk): DataFrame {
    let frame = frameOf(parsed, this.#fields);
    if (scores) frame = frame.withColumn(pl.Series(SCORE, scores.probabilities, pl.Float64));
    for (const step of this.#plan.columns) frame = frame.withColumns(...step);
    return frame;
  }

  #asidesOf(
    frame: DataFrame,
    slices: readonly Slice[],
    aside: readonly AsideRow[],
    times: RowTimes,
  ): Asides<Part> {
    const { rejected, rows } = this.#takes;
    const messages = () => slices.map((slice) => "file" in slice ? readLines(slice) : slice);
    const place = (row: number) => placeOf(slices, row);
    return {
      ...rejected && aside.length > 0 && { rejected: asidePart(aside, messages(), place, times) },
      ...rows && { rows: keptPart(frame, rows, place, times) },
    };
  }
}

/** Returns what the chunks of a batch come to; no tables of rows to keep aside if there was no chunk. */
export function mergeChunks(chunks: readonly Batch<Part>[], batchId: number): Batch<DataFrame> {
  const sum = (count: "rejected" | "malformed" | "unscored") =>
    chunks.reduce((total, chunk) => total + chunk[count], 0);
  const parts = (kind: keyof Asides<Part>) => chunks.flatMap(({ asides }) => asides[kind] ?? []);
  return {
    groups: chunks.flatMap(({ groups }) => groups),
    stats: chunks.map(({ stats }) => stats).reduce(mergeStats, eventTimeStats(new Float64Array())),
    // In ascending order, so that the greatest stays.
    newest: chunks.flatMap(({ newest }) => newest).sort(([, a], [, b]) => a - b),
    rejected: sum("rejected"),
    malformed: sum("malformed"),
    unscored: sum("unscored"),
    asides: {
      rejected: chunks.length > 0 ? asideTable(parts("rejected"), batchId) : undefined,
      rows: keptTable(parts("rows"), batchId),
    },
  };
}
