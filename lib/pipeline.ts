import pl, { type DataFrame } from "polars";
import { fieldsRead, keptRows, rowFrame, type RowPlan } from "./columns.ts";
import type { Aggregation, Grouping } from "./core/aggregation.ts";
import { asideFrame, emptyAside, keptFrame, lateRows, problemRows } from "./core/aside.ts";
import { parseDuration } from "./core/duration.ts";
import { partialGroups, rowsOf } from "./core/frame.ts";
import type { Group, Merge } from "./core/state.ts";
import type { RowCounts } from "./core/progress.ts";
import type { NumberColumn, OutputMode, Schema } from "./core/types.ts";
import type { WriteOptions } from "./options.ts";
import { windowsPerRow } from "./core/window.ts";
import {
  type EventTimeStats,
  eventTimeStats,
  mergeStats,
  newestByPartition,
} from "./core/watermark.ts";
import { readLines } from "./json/lines.ts";
import { leaveFrame } from "./memory.ts";
import { type Chunk, lengthOf, placeOf, type Slice } from "./threads/chunk.ts";
import { ChunkPool } from "./threads/pool.ts";

/** What a chunk of a batch is computed with. */
export interface BatchContext {
  readonly batchId: number;
  /** When the batch was planned, epoch ms. */
  readonly clock: number;
  /** Windows that end at or before it are late; null if none are. */
  readonly lateWatermark: number | null;
}

/** A chunk of a batch scored and aggregated. */
export interface PreparedChunk extends RowCounts {
  readonly stats: EventTimeStats;
  /** The greatest event time of each partition, epoch ms. */
  readonly newest: ReturnType<typeof newestByPartition>;
  readonly groups: readonly Group[];
  /** Rows to write beside the windows, if there are any and somebody takes them. */
  readonly asides: Asides<DataFrame>;
}

/** By what they are: rows that are late or cannot be read, and rows that the query wants kept. */
export type Asides<T> = { readonly rejected?: T | undefined; readonly rows?: T | undefined };

/** What the builder makes of a query: the part between reading and writing. */
export interface Pipeline {
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
  /** Says that many rows are about to come. */
  expectRows(): void;
  read(slices: readonly Slice[]): Promise<Chunk>;
  prepare(chunk: Chunk, context: BatchContext): PreparedChunk;
  rows(groups: readonly Group[]): DataFrame;
  close(): void;
}

/** The part of a query between reading and writing, as the builder's verbs describe it. */
export interface PipelinePlan extends RowPlan {
  readonly timeColumn: string;
  /** Delay of the watermark and how far a row may be ahead of the clock, as text. */
  readonly eventTime?: EventTimeRule;
  readonly grouping: Grouping;
  readonly aggregation: Aggregation;
  /** What is done to the result table, in order. */
  readonly finish: readonly ((rows: DataFrame) => DataFrame)[];
}

export interface EventTimeRule {
  readonly column: string;
  readonly delay: string;
  readonly maxAhead?: string | undefined;
  readonly idleAfter?: string | undefined;
}

/** What somebody takes of a query. */
type Takes = Pick<WriteOptions, "outputMode" | "rejected" | "rows">;

/** Makes the pipeline of a query: read, score, add columns, aggregate by window; then the result. */
export function makePipeline(plan: PipelinePlan, takes: Takes): Pipeline {
  const { schema, model, grouping, aggregation, eventTime, timeColumn } = plan;
  const pool = new ChunkPool();
  const fields = fieldsRead(plan, grouping, takes.rows);
  const columns = [timeColumn, ...fields.map(({ name }) => name)];
  const chunkPlan = { schema, columns, ...model && { model } };

  const resultOf = (groups: readonly Group[]) =>
    plan.finish.reduce((rows, verb) => verb(rows), rowsOf(groups, aggregation));
  /** What most small batches write. */
  let none: DataFrame | undefined;

  return {
    mode: takes.outputMode,
    size: grouping.window.size,
    merges: aggregation.slots.map(({ merge }) => merge),
    delay: eventTime ? parseDuration(eventTime.delay) : null,
    idleAfter: eventTime?.idleAfter ? parseDuration(eventTime.idleAfter) : null,
    conf: {
      ...eventTime && { "watermark.delay": eventTime.delay },
      ...eventTime?.maxAhead && { "watermark.maxAhead": eventTime.maxAhead },
      ...eventTime?.idleAfter && { "watermark.idleAfter": eventTime.idleAfter },
      ...model && { "model.sha256": model.sha256 },
      ...plan.columns.length > 0 && { columns: plan.columns.flat().join(", ") }, // the threshold
    },
    expectRows: () => pool.prepare(chunkPlan),
    read: (slices) => pool.read(slices, chunkPlan),
    prepare: (chunk, context) => prepareChunk({ ...plan, fields }, takes, chunk, context),
    close: () => pool.close(),
    rows: (groups) => groups.length > 0 ? resultOf(groups) : (none ??= resultOf([])).clone(),
  };
}

/** Aggregates a chunk by window, and sorts out the rows that are late or lost something. */
function prepareChunk(
  plan: PipelinePlan & { readonly fields: Schema },
  { rejected: takesRejected, rows: kept }: Takes,
  chunk: Chunk,
  { clock, batchId, lateWatermark }: BatchContext,
): PreparedChunk {
  const { aggregation, eventTime, timeColumn, grouping: { window } } = plan;
  const { parsed, scores, slices } = chunk;
  const times = timesOf(parsed.columns[timeColumn] as NumberColumn);
  const { eventTimes, ahead } = rejectAhead(times, clock, eventTime?.maxAhead);
  const late = lateWatermark === null ? [] : lateRows(eventTimes, window, lateWatermark);
  const isLate = new Set(late.map(({ row }) => row)); // it is kept once, whatever else it lacks
  const problems = problemRows([...parsed.problems, ...ahead], eventTimes)
    .filter(({ row }) => !isLate.has(row));
  const aside = takesRejected ? [...problems, ...late] : [];
  const frame = rowFrame(plan, plan.fields, chunk);
  const where = { eventTimes, window, batchId, lateWatermark };
  leaveFrame(frame, windowsPerRow(window));
  const rejected = problems.filter(({ kind }) => kind === "rejected").length;
  return {
    stats: eventTimeStats(eventTimes),
    newest: newestByPartition(
      slices.map((slice) => [slice.partition, lengthOf(slice)]),
      eventTimes,
    ),
    groups: partialGroups(frame, eventTimes, aggregation),
    rejected,
    malformed: problems.length - rejected,
    unscored: scores?.unscored ?? 0,
    asides: {
      ...aside.length > 0 && {
        rejected: asideFrame(aside, {
          messages: slices.map((slice) => "file" in slice ? readLines(slice) : slice),
          ...where,
        }),
      },
      ...kept && {
        rows: keptFrame(keptRows(frame, kept), {
          placeOf: (row) => placeOf(slices, row),
          ...where,
        }),
      },
    },
  };
}

/** Returns the event times, NaN where there is none; the column's own values if none is missing. */
function timesOf({ values, nulls, nullCount }: NumberColumn): Float64Array {
  if (nullCount === 0) return values;
  const times = values.slice();
  for (let row = 0; row < times.length; row++) {
    if (nulls[row] === 1) times[row] = NaN;
  }
  return times;
}

/** Returns event times with NaN for those too far ahead of the clock (epoch ms), and which these are. */
function rejectAhead(times: Float64Array, clock: number, maxAhead: string | undefined) {
  const ahead: { row: number; reason: string }[] = [];
  if (maxAhead === undefined) return { eventTimes: times, ahead };
  const limit = clock + parseDuration(maxAhead);
  const eventTimes = times.slice();
  for (let row = 0; row < eventTimes.length; row++) {
    if (!(eventTimes[row]! > limit)) continue;
    eventTimes[row] = NaN;
    ahead.push({ row, reason: `event time is more than ${maxAhead} ahead of the clock` });
  }
  return { eventTimes, ahead };
}

/** Returns what the chunks of a batch come to; no table of rows to keep aside if there was no chunk. */
export function mergeChunks(chunks: readonly PreparedChunk[]) {
  const sum = (count: "rejected" | "malformed" | "unscored") =>
    chunks.reduce((total, chunk) => total + chunk[count], 0);
  const together = (kind: keyof Asides<unknown>) => {
    const frames = chunks.flatMap(({ asides }) => asides[kind] ?? []);
    return frames.length > 1 ? pl.concat(frames) : frames[0];
  };
  return {
    groups: chunks.flatMap(({ groups }) => groups),
    stats: chunks.map(({ stats }) => stats).reduce(mergeStats, eventTimeStats(new Float64Array())),
    // In ascending order, so that the greatest stays.
    newest: chunks.flatMap(({ newest }) => newest).sort(([, a], [, b]) => a - b),
    rejected: sum("rejected"),
    malformed: sum("malformed"),
    unscored: sum("unscored"),
    asides: {
      rejected: together("rejected") ?? (chunks.length > 0 ? emptyAside() : undefined),
      rows: together("rows"),
    },
  };
}
