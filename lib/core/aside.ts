import pl, { type DataFrame } from "polars";
import { asTimestamps, doubles } from "./frame.ts";
import type { Messages, Problem } from "./types.ts";
import { isClosed, lastWindowStart, type WindowSpec } from "./window.ts";

/** A row to keep aside, by its index in the batch. */
export interface AsideRow {
  readonly row: number;
  /** `late`: its windows were closed. `rejected`: it is in no window. `malformed`: it lost a field, or text behind them, and counts. */
  readonly kind: "late" | "rejected" | "malformed";
  readonly reason: string;
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

/** Returns rows kept aside as a table, with where each came from and its text as it was. */
export function asideFrame(
  rows: readonly AsideRow[],
  { messages, eventTimes, window, batchId, lateWatermark }: {
    messages: readonly Messages[];
    eventTimes: Float64Array;
    window: WindowSpec;
    batchId: number;
    lateWatermark: number | null;
  },
): DataFrame {
  const origins = rows.map(({ row }) => originOf(messages, row));
  const times = rows.map(({ row }) => eventTimes[row]!);
  const late = (value: (time: number) => number) =>
    rows.map(({ kind }, i) => kind === "late" ? value(times[i]!) : null);
  const text = (name: string, values: readonly (string | null)[]) =>
    pl.Series(name, [...values], pl.Utf8);
  const instants = (name: string, values: readonly (number | null)[]) =>
    asTimestamps(doubles(name, values));
  return pl.DataFrame([
    doubles("batch_id", rows.map(() => batchId)).cast(pl.Int64),
    text("kind", rows.map(({ kind }) => kind)),
    text("reason", rows.map(({ reason }) => reason)),
    text("partition", origins.map(({ partition }) => partition)),
    doubles("offset", origins.map(({ offset }) => offset)).cast(pl.Int64),
    instants("event_time", times.map((time) => Number.isNaN(time) ? null : time)),
    instants("window_start", late((time) => lastWindowStart(time, window))),
    instants("watermark", late(() => lateWatermark!)),
    doubles("late_by_ms", late((time) => lateWatermark! - time)).cast(pl.Int64),
    text("encoding", origins.map(({ encoding }) => encoding)),
    text("value", origins.map(({ value }) => value)),
  ]);
}

/**
 * Adds to rows that are kept, by their index `row` in the batch, where each was and what became of it:
 * `counted` in a window, `late`, or `rejected`, in none. In windows that overlap, `window_start` is
 * that of the last one.
 */
export function keptFrame(
  kept: DataFrame,
  { placeOf, eventTimes, window, batchId, lateWatermark }: {
    placeOf: (row: number) => { readonly partition: string; readonly offset: number };
    eventTimes: Float64Array;
    window: WindowSpec;
    batchId: number;
    lateWatermark: number | null;
  },
): DataFrame {
  const rows = kept.getColumn("row").toArray().map(Number);
  const places = rows.map(placeOf);
  const times = rows.map((row) => eventTimes[row]!);
  const starts = times.map((time) => lastWindowStart(time, window));
  const outcomes = starts.map((start) =>
    Number.isNaN(start)
      ? "rejected"
      : isClosed(start + window.size, lateWatermark)
      ? "late"
      : "counted"
  );
  const instants = (name: string, values: readonly number[]) =>
    asTimestamps(doubles(name, values.map((value) => Number.isNaN(value) ? null : value)));
  const text = (name: string, values: readonly string[]) => pl.Series(name, [...values], pl.Utf8);
  return pl.DataFrame([
    doubles("batch_id", rows.map(() => batchId)).cast(pl.Int64),
    text("partition", places.map(({ partition }) => partition)),
    doubles("offset", places.map(({ offset }) => offset)).cast(pl.Int64),
    instants("event_time", times),
    instants("window_start", starts),
    text("outcome", outcomes),
    ...kept.drop("row").getColumns(),
  ]);
}

/** Returns such a table without rows. */
export function emptyAside(): DataFrame {
  const window = { size: 1, slide: 1, offset: 0 };
  const eventTimes = new Float64Array();
  return asideFrame([], { messages: [], eventTimes, window, batchId: 0, lateWatermark: null });
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
