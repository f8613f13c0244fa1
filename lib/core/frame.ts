import pl, { type DataFrame, type DataType, type Expr, type Series } from "polars";
import type { Group, Key } from "./state.ts";
import type { Aggregate } from "./functions.ts";
import type { NumberColumn, ParsedBatch, Schema, StringColumn } from "./types.ts";
import { lastWindowStart, type WindowSpec, windowsPerRow } from "./window.ts";

/** What a windowed aggregation groups by and computes. */
export interface Grouping {
  readonly window: WindowSpec;
  /** Columns grouped by beside the window. */
  readonly keys: readonly string[];
  readonly aggregates: Readonly<Record<string, Aggregate>>;
}

/** Returns the slots of all aggregates, in the order in which a group keeps them. */
export function slotsOf({ aggregates }: Grouping): Aggregate["slots"] {
  return Object.values(aggregates).flatMap(({ slots }) => slots);
}

/** Returns those columns of a batch that `schema` names as a DataFrame, in its order. */
export function frameOf({ columns }: ParsedBatch, schema: Schema): DataFrame {
  return pl.DataFrame(schema.map(({ name, type }) => {
    const column = columns[name]!;
    if (type === "string") return pl.Series(name, [...(column as StringColumn).values], pl.Utf8);
    if (type === "double") return numberSeries(name, column as NumberColumn);
    const numbers = numberSeries(name, column as NumberColumn);
    return type === "integer" ? numbers.cast(pl.Int32) : asTimestamps(numbers);
  }));
}

/** Turns a column of epoch milliseconds into timestamps in UTC. */
export function asTimestamps(series: Series): Series {
  return series.cast(pl.Int64).cast(pl.Datetime("ms", "UTC"));
}

/** Returns a series of doubles in which some may be null. */
export function doubles(name: string, values: readonly (number | null)[]): Series {
  return pl.Series(name, values as number[], pl.Float64);
}

/** Bytes that Polars may hold for objects which V8 has not collected. */
let unseen = 0;
const MAX_UNSEEN = 32 * 1024 * 1024;
/** More than V8 waits for with a heap of 100 MiB. */
const HINT = 512 * 1024 * 1024;

/**
 * Counts the memory of a frame that is no longer needed. It goes when V8 collects old objects, but
 * V8 does not see it and may wait until it is a GiB. A buffer that nobody touches takes no memory,
 * but V8 sees it, and collects.
 */
function leaveFrame({ height, width }: DataFrame): void {
  unseen += 8 * height * width;
  if (unseen < MAX_UNSEEN) return;
  unseen = 0;
  try {
    new ArrayBuffer(HINT);
  } catch { /* there are no such addresses to be had: V8 collects when it likes */ }
}

const WINDOW = "#window";
const ROWS = "#rows";
/** What a grouping asks of Polars; made once, since each expression is a large object in JavaScript. */
const asked = new WeakMap<Grouping, readonly Expr[]>();

function exprsOf(grouping: Grouping): readonly Expr[] {
  return asked.getOrInsertComputed(grouping, () => [
    pl.len().alias(ROWS),
    ...slotsOf(grouping).map(({ expr }, i) => expr.alias(`#${i}`)),
  ]);
}

/**
 * Aggregates the rows of a batch by window and key, each row in every window that contains it.
 * `eventTimes` is aligned with `frame` and holds epoch ms, NaN for a row without one.
 */
export function partialGroups(
  frame: DataFrame,
  eventTimes: Float64Array,
  grouping: Grouping,
): Group[] {
  const { window, keys } = grouping;
  const groups: Group[] = [];
  for (let k = 0; k < windowsPerRow(window); k++) {
    const starts = new Float64Array(eventTimes.length);
    let outside = 0;
    for (let row = 0; row < starts.length; row++) { // `map` calls a function a row
      const time = eventTimes[row]!;
      const start = lastWindowStart(time, window) - k * window.slide;
      const isInside = time < start + window.size;
      starts[row] = isInside ? start : NaN;
      if (!isInside) outside++;
    }
    const inWindow = frame.withColumn(pl.Series(WINDOW, starts, pl.Float64));
    leaveFrame(inWindow);
    const rows = (outside > 0 ? inWindow.filter(pl.col(WINDOW).isNotNan()) : inWindow)
      .groupBy(WINDOW, ...keys).agg(...exprsOf(grouping));
    for (const [start, ...values] of rows.rows()) { // in the order of the columns
      groups.push({
        start: Number(start),
        keys: values.slice(0, keys.length).map(plainKey),
        rows: Number(values[keys.length]),
        slots: values.slice(keys.length + 1).map((v) => v === null ? null : Number(v)),
      });
    }
  }
  return groups;
}

/** Returns the type of each output column, found by aggregating no rows: keys, then aggregates. */
export function outputTypes(
  frame: DataFrame,
  { keys, aggregates }: Grouping,
): Map<string, DataType> {
  const types = new Map(keys.map((key) => [key, frame.getColumn(key).dtype]));
  const first = (name: string): Expr => aggregates[name]!.slots[0]!.expr.alias(name);
  const names = Object.keys(aggregates);
  const row = frame.limit(0).select(...names.map(first));
  for (const name of names) {
    const dtype = row.getColumn(name).dtype;
    const fixed = aggregates[name]!.type ?? (/Int/.test(String(dtype)) ? "integer" : "double");
    types.set(name, fixed === "integer" ? pl.Int64 : pl.Float64);
  }
  return types;
}

/** Returns groups as rows: window_start, window_end, the keys, the aggregates. */
export function rowsOf(
  groups: readonly Group[],
  { window, keys, aggregates }: Grouping,
  types: ReadonlyMap<string, DataType>,
): DataFrame {
  const times = (name: string, shift: number) =>
    asTimestamps(pl.Series(name, groups.map(({ start }) => start + shift), pl.Float64));
  let slot = 0;
  return pl.DataFrame([
    times("window_start", 0),
    times("window_end", window.size),
    ...keys.map((key, i) => keySeries(key, groups.map(({ keys }) => keys[i]!), types.get(key)!)),
    ...Object.entries(aggregates).map(([name, { slots, finish }]) => {
      const from = slot;
      slot += slots.length;
      const values = groups.map(({ slots }) => finish(slots.slice(from, slot)));
      return doubles(name, values).cast(types.get(name)!);
    }),
  ]);
}

function numberSeries(name: string, { values, nulls, nullCount }: NumberColumn): Series {
  return nullCount === 0
    ? pl.Series(name, values, pl.Float64)
    : doubles(name, Array.from(values, (value, i) => nulls[i] === 1 ? null : value));
}

function plainKey(value: unknown): Key {
  return typeof value === "bigint" || value instanceof Date ? Number(value) : value as Key;
}

/** Polars makes a null 0 in a series of numbers, unless they are doubles. */
function keySeries(name: string, keys: readonly Key[], type: DataType): Series {
  const isNumber = /Int|Float|Date/.test(String(type));
  return isNumber ? doubles(name, keys as number[]).cast(type) : pl.Series(name, [...keys], type);
}
