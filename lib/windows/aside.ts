import pl, { type DataFrame, type Expr, type Series } from "polars";
import { parseDuration } from "../core/duration.ts";
import { asTimestamps, doubles } from "./frame.ts";
import type { Messages, NumberColumn, Problem } from "../core/types.ts";
import { isClosed, lastWindowStart, type WindowSpec } from "./window.ts";

/** A row to keep aside, by its index in the chunk. */
export interface AsideRow {
  readonly row: number;
  /** `late`: its windows were closed. `rejected`: it is in no window. `malformed`: it lost a field, or text behind them, and counts. */
  readonly kind: "late" | "rejected" | "malformed";
  readonly reason: string;
}

/** Returns event times, NaN where none counts, and the rows to keep aside: each once, as late if it is. */
export function sortOut(
  column: NumberColumn,
  problems: readonly Problem[],
  { window, lateWatermark, clock, maxAhead }:
    & Pick<RowTimes, "window" | "lateWatermark">
    & { readonly clock: number; readonly maxAhead: string | undefined },
): { readonly eventTimes: Float64Array; readonly aside: readonly AsideRow[] } {
  const { eventTimes, ahead } = rejectAhead(timesOf(column), clock, maxAhead);
  const late = lateWatermark === null ? [] : lateRows(eventTimes, window, lateWatermark);
  const isLate = new Set(late.map(({ row }) => row));
  const others = problemRows([...problems, ...ahead], eventTimes)
    .filter(({ row }) => !isLate.has(row));
  return { eventTimes, aside: [...others, ...late] };
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

/** Returns why each row is in no window or lost a field; a row appears once. */
export function problemRows(problems: readonly Problem[], eventTimes: Float64Array): AsideRow[] {
  const rows = new Map<number, AsideRow>();
  for (const { row, field, reason } of problems) {
    if (rows.has(row)) continue;
    const kind = Number.isNaN(eventTimes[row]!) ? "rejected" : "malformed";
    rows.set(row, { row, kind, reason: field === undefined ? reason : `${field}: ${reason}` });
  }
  for (let row = 0; row < eventTimes.length; row++) { // `forEach` calls a function a row
    if (!Number.isNaN(eventTimes[row]!) || rows.has(row)) continue;
    rows.set(row, { row, kind: "rejected", reason: "event time is missing" });
  }
  return [...rows.values()];
}

/** Returns the rows whose windows all end at or before the late watermark (epoch ms). */
export function lateRows(
  eventTimes: Float64Array,
  window: WindowSpec,
  lateWatermark: number,
): AsideRow[] {
  const rows: AsideRow[] = [];
  for (let row = 0; row < eventTimes.length; row++) {
    const end = lastWindowStart(eventTimes[row]!, window) + window.size;
    if (isClosed(end, lateWatermark)) {
      rows.push({ row, kind: "late", reason: "its window was closed" });
    }
  }
  return rows;
}

/** What tells of a row, by its index, where its event time lies. */
export interface RowTimes {
  /** Epoch ms, NaN where there is none. */
  readonly eventTimes: Float64Array;
  readonly window: WindowSpec;
  readonly lateWatermark: number | null;
}

/** Where a row was read: message `index` of one of the slices of its chunk. */
export interface Place {
  readonly partition: string;
  readonly offset: number;
  readonly slice: number;
  readonly index: number;
}

/** Rows of a chunk that go beside the windows, by column; those of a batch become one table. */
export interface Part {
  readonly values: Readonly<Record<string, readonly (string | number)[]>>;
  /** Further columns: a batch of long texts would be too much for V8's heap. */
  readonly frame: DataFrame;
}

/** The columns of rows that are kept aside. */
const ASIDE_COLUMNS: readonly string[] = [
  ...["batch_id", "kind", "reason", "partition", "offset", "event_time", "window_start"],
  ...["watermark", "late_by_ms"],
];

/** The columns of rows that are kept, before those that the query names. */
export const KEPT_COLUMNS: readonly string[] = [
  "batch_id",
  "partition",
  "offset",
  "event_time",
  "window_start",
  "outcome",
];
/** What holds epoch milliseconds or whole numbers, null where one is NaN; the others hold text. */
const INSTANTS = ["event_time", "window_start", "watermark"];
const WHOLE = ["batch_id", "offset", "late_by_ms", ...INSTANTS];
/** A column of no other name: the numbers of a frame's rows, kept for the next frames. */
const ROW = "\0row";
let numbers = pl.Series(ROW, new Uint32Array());

function rowNumbers(height: number): Series {
  if (numbers.length < height) {
    numbers = pl.Series(ROW, Uint32Array.from({ length: height }, (_, row) => row));
  }
  return numbers.slice(0, height);
}

/** Returns rows kept aside, with where each came from and its text as it was; `slices` are those of the chunk. */
export function asidePart(
  rows: readonly AsideRow[],
  slices: readonly Messages[],
  placeOf: (row: number) => Place,
  { eventTimes, window, lateWatermark }: RowTimes,
): Part {
  const places = rows.map(({ row }) => placeOf(row));
  const texts = places.map(({ slice, index }) => textOf(slices[slice]!, index));
  const times = rows.map(({ row }) => eventTimes[row]!);
  const late = (value: (time: number) => number) =>
    rows.map(({ kind }, i) => kind === "late" ? value(times[i]!) : NaN);
  return {
    values: {
      kind: rows.map(({ kind }) => kind),
      reason: rows.map(({ reason }) => reason),
      partition: places.map(({ partition }) => partition),
      offset: places.map(({ offset }) => offset),
      event_time: times,
      window_start: late((time) => lastWindowStart(time, window)),
      watermark: late(() => lateWatermark!),
      late_by_ms: late((time) => lateWatermark! - time),
    },
    frame: textFrame(texts),
  };
}

/**
 * Finds the rows of a frame to keep, and what became of each: `counted` in a window, `late`, or
 * `rejected`, in none. In windows that overlap, its start is that of the last one.
 */
export function keptPart(
  frame: DataFrame,
  { where, columns }: { readonly where: Expr; readonly columns: readonly string[] },
  placeOf: (row: number) => Place,
  { eventTimes, window, lateWatermark }: RowTimes,
): Part {
  const kept = frame.withColumn(rowNumbers(frame.height)).filter(where).select(ROW, ...columns);
  const rows = [...kept.getColumn(ROW).toTypedArray()].map(Number);
  const places = rows.map(placeOf);
  const times = rows.map((row) => eventTimes[row]!);
  const starts = times.map((time) => lastWindowStart(time, window));
  const outcomeOf = (start: number) =>
    isClosed(start + window.size, lateWatermark) ? "late" : "counted";
  return {
    values: {
      partition: places.map(({ partition }) => partition),
      offset: places.map(({ offset }) => offset),
      event_time: times,
      window_start: starts,
      outcome: starts.map((start) => Number.isNaN(start) ? "rejected" : outcomeOf(start)),
    },
    frame: kept.drop(ROW),
  };
}

/** Made once: most batches keep nothing aside. */
const NOTHING_ASIDE = tableOf(ASIDE_COLUMNS, [{
  values: Object.fromEntries(ASIDE_COLUMNS.map((name) => [name, []])),
  frame: textFrame([]),
}], 0);

/** Returns the rows of a batch that are kept aside as one table, which may be empty. */
export function asideTable(parts: readonly Part[], batchId: number): DataFrame {
  return parts.length > 0 ? tableOf(ASIDE_COLUMNS, parts, batchId) : NOTHING_ASIDE.clone();
}

/** Returns the rows of a batch that a query wants kept as one table; `undefined` if it had no chunk. */
export function keptTable(parts: readonly Part[], batchId: number): DataFrame | undefined {
  return parts.length > 0 ? tableOf(KEPT_COLUMNS, parts, batchId) : undefined;
}

function tableOf(names: readonly string[], parts: readonly Part[], batchId: number): DataFrame {
  const frames = parts.map(({ frame }) => frame);
  const further = frames.length > 1 ? pl.concat(frames) : frames[0]!;
  return pl.DataFrame([...series(names, parts, batchId), ...further.getColumns()]);
}

function series(names: readonly string[], parts: readonly Part[], batchId: number): Series[] {
  const length = parts.reduce((sum, { values }) => sum + values.partition!.length, 0);
  return names.map((name) => {
    const values = name === "batch_id"
      ? new Array<number>(length).fill(batchId)
      : parts.flatMap((part) => part.values[name]!);
    if (!WHOLE.includes(name)) return pl.Series(name, values, pl.Utf8);
    const whole = Float64Array.from(values as number[]);
    const column = whole.includes(NaN)
      ? doubles(name, Array.from(whole, (value) => Number.isNaN(value) ? null : value))
      : pl.Series(name, whole, pl.Float64); // at once
    return INSTANTS.includes(name) ? asTimestamps(column) : column.cast(pl.Int64);
  });
}

function textFrame(texts: readonly ReturnType<typeof textOf>[]): DataFrame {
  return pl.DataFrame([
    pl.Series("encoding", texts.map(({ encoding }) => encoding), pl.Utf8),
    pl.Series("value", texts.map(({ value }) => value), pl.Utf8),
  ]);
}

/** Tells a message's value; one that is not UTF-8 is given in base64, a tombstone as null. */
function textOf({ bytes, starts, ends, tombstones }: Messages, index: number) {
  if (tombstones?.[index] === 1) return { encoding: null, value: null };
  const raw = bytes.subarray(starts[index], ends[index]);
  try {
    const value = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    return { encoding: "utf-8", value };
  } catch {
    return { encoding: "base64", value: raw.toBase64() };
  }
}
