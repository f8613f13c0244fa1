import pl, { type DataFrame, type Expr, type Series } from "polars";
import { parseDuration } from "../core/duration.ts";
import { doubles } from "./frame.ts";
import type { Messages, NumberColumn, Problem } from "../core/types.ts";
import { isClosed, lastWindowStart, type WindowSpec } from "./window.ts";

/** A row to keep aside, by its index in the batch. */
export interface AsideRow {
  readonly row: number;
  /** `late`: its windows were closed. `rejected`: it is in no window. `malformed`: it lost a field, or text behind them, and counts. */
  readonly kind: "late" | "rejected" | "malformed";
  readonly reason: string;
}

/** Returns the event times, NaN where there is none; the column's own values if none is missing. */
export function timesOf({ values, nulls, nullCount }: NumberColumn): Float64Array {
  if (nullCount === 0) return values;
  const times = values.slice();
  for (let row = 0; row < times.length; row++) {
    if (nulls[row] === 1) times[row] = NaN;
  }
  return times;
}

/** Returns event times with NaN for those too far ahead of the clock (epoch ms), and which these are. */
export function rejectAhead(times: Float64Array, clock: number, maxAhead: string | undefined) {
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
  readonly batchId: number;
  readonly lateWatermark: number | null;
}

/** Returns rows kept aside as a table, with where each came from and its text as it was. */
export function asideFrame(
  rows: readonly AsideRow[],
  messages: readonly Messages[],
  { eventTimes, window, batchId, lateWatermark }: RowTimes,
): DataFrame {
  const origins = rows.map(({ row }) => originOf(messages, row));
  const times = rows.map(({ row }) => eventTimes[row]!);
  const late = (value: (time: number) => number) =>
    rows.map(({ kind }, i) => kind === "late" ? value(times[i]!) : NaN);
  return pl.DataFrame([
    whole("batch_id", rows.map(() => batchId)),
    text("kind", rows.map(({ kind }) => kind)),
    text("reason", rows.map(({ reason }) => reason)),
    text("partition", origins.map(({ partition }) => partition)),
    whole("offset", origins.map(({ offset }) => offset)),
    instants("event_time", times),
    instants("window_start", late((time) => lastWindowStart(time, window))),
    instants("watermark", late(() => lateWatermark!)),
    whole("late_by_ms", late((time) => lateWatermark! - time)),
    text("encoding", origins.map(({ encoding }) => encoding)),
    text("value", origins.map(({ value }) => value)),
  ]);
}

/** Returns such a table without rows. */
export function emptyAside(): DataFrame {
  const window = { size: 1, slide: 1, offset: 0 };
  const eventTimes = new Float64Array();
  return asideFrame([], [], { eventTimes, window, batchId: 0, lateWatermark: null });
}

/** The columns of rows that are kept, before those that the query names. */
export const KEPT_COLUMNS: readonly string[] = [
  "batch_id",
  "partition",
  "offset",
  "event_time",
  "window_start",
  "outcome",
];
/** A column of no other name. */
const ROW = "\0row";

/** Rows of a chunk to keep: the columns that the query names, and of each row where it was and what became of it. */
export interface KeptPart {
  readonly columns: DataFrame;
  readonly partitions: readonly string[];
  readonly offsets: readonly number[];
  /** Epoch ms, NaN where there is none. */
  readonly times: readonly number[];
  readonly starts: readonly number[];
  readonly outcomes: readonly ("counted" | "late" | "rejected")[];
}

/**
 * Finds the rows of a frame to keep, and what became of each: `counted` in a window, `late`, or
 * `rejected`, in none. In windows that overlap, its start is that of the last one.
 */
export function keptPart(
  frame: DataFrame,
  { where, columns }: { readonly where: Expr; readonly columns: readonly string[] },
  placeOf: (row: number) => { readonly partition: string; readonly offset: number },
  { eventTimes, window, lateWatermark }: Omit<RowTimes, "batchId">,
): KeptPart {
  const indexes = new Uint32Array(frame.height);
  for (let i = 0; i < indexes.length; i++) indexes[i] = i; // `from` calls a function a row
  const kept = frame.withColumn(pl.Series(ROW, indexes)).filter(where).select(ROW, ...columns);
  const rows = [...kept.getColumn(ROW).toArray()].map(Number);
  const places = rows.map(placeOf);
  const times = rows.map((row) => eventTimes[row]!);
  const starts = times.map((time) => lastWindowStart(time, window));
  return {
    columns: kept.drop(ROW),
    partitions: places.map(({ partition }) => partition),
    offsets: places.map(({ offset }) => offset),
    times,
    starts,
    outcomes: starts.map((start) =>
      Number.isNaN(start)
        ? "rejected"
        : isClosed(start + window.size, lateWatermark)
        ? "late"
        : "counted"
    ),
  };
}

/** Returns the rows of a batch to keep as one table; `undefined` if it had no chunk. */
export function keptFrame(parts: readonly KeptPart[], batchId: number): DataFrame | undefined {
  if (parts.length === 0) return undefined;
  const all = <K extends keyof Omit<KeptPart, "columns">>(name: K) =>
    parts.flatMap((part) => part[name] as KeptPart[K][number][]);
  const columns = parts.length > 1
    ? pl.concat(parts.map(({ columns }) => columns))
    : parts[0]!.columns;
  return pl.DataFrame([
    whole("batch_id", new Array(columns.height).fill(batchId)),
    text("partition", all("partitions")),
    whole("offset", all("offsets")),
    instants("event_time", all("times")),
    instants("window_start", all("starts")),
    text("outcome", all("outcomes")),
    ...columns.getColumns(),
  ]);
}

function text(name: string, values: readonly (string | null)[]): Series {
  return pl.Series(name, [...values], pl.Utf8);
}

/** Returns whole numbers, null where one is NaN. */
function whole(name: string, values: readonly number[]): Series {
  return doubles(name, values.map((value) => Number.isNaN(value) ? null : value)).cast(pl.Int64);
}

/** Returns epoch milliseconds as timestamps, null where one is NaN. */
function instants(name: string, values: readonly number[]): Series {
  return whole(name, values).cast(pl.Datetime("ms", "UTC"));
}

/** Finds a row's message; a value that is not UTF-8 is given in base64, a tombstone as null. */
function originOf(messages: readonly Messages[], row: number) {
  let index = row;
  const slice = messages.find(({ offsets }) =>
    index < offsets.length || (index -= offsets.length, false)
  )!;
  const { partition, bytes, starts, ends, tombstones } = slice;
  const where = { partition, offset: slice.offsets[index]! };
  if (tombstones?.[index] === 1) return { ...where, encoding: null, value: null };
  const raw = bytes.subarray(starts[index], ends[index]);
  try {
    const value = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    return { ...where, encoding: "utf-8", value };
  } catch {
    return { ...where, encoding: "base64", value: raw.toBase64() };
  }
}
