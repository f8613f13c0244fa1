import pl, { type DataFrame, type DataType, type Series } from "polars";
import type { Aggregation } from "./aggregation.ts";
import { isLong } from "./functions.ts";
import { type Group, type Key, narrow, type Value } from "./state.ts";
import type { NumberColumn, ParsedBatch, Schema, StringColumn } from "../core/types.ts";
import { lastWindowStart, windowsPerRow } from "./window.ts";

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

/** Names of columns beside those of a query: no message, and nobody in a notebook, writes a NUL in one. */
const WINDOW = "\0window";
const ROWS = "\0rows";
const slotName = (i: number) => `\0${i}`;
/** What an aggregation asks of Polars; made once, since each expression is a large object in JavaScript. */
const asked = new WeakMap<Aggregation, ReturnType<typeof questionsOf>>();

function questionsOf({ keys, slots }: Aggregation) {
  // As uint64 they come as bigints: an int64 comes as a number, which is exact to 2^53 only.
  const long = (name: string) => pl.col(name).cast(pl.Int64).reinterpret(false).alias(name);
  return {
    aggregates: [pl.len().alias(ROWS), ...slots.map(({ expr }, i) => expr.alias(slotName(i)))],
    longs: [
      ...keys.filter(({ type }) => isLong(type) && type.variant !== "UInt64")
        .map(({ name }) => long(name)),
      ...slots.flatMap(({ isLong }, i) => isLong ? [long(slotName(i))] : []),
    ],
  };
}

/**
 * Aggregates the rows of a batch by window and key, each row in every window that contains it.
 * `eventTimes` is aligned with `frame` and holds epoch ms, NaN for a row without one.
 */
export function partialGroups(
  frame: DataFrame,
  eventTimes: Float64Array,
  aggregation: Aggregation,
): Group[] {
  const { window, keys, inputs, slots } = aggregation;
  const { aggregates, longs } = asked.getOrInsertComputed(aggregation, questionsOf);
  const wide = inputs.length > 0 ? frame.withColumns(...inputs) : frame;
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
    const inWindow = wide.withColumn(pl.Series(WINDOW, starts, pl.Float64));
    const grouped = (outside > 0 ? inWindow.filter(pl.col(WINDOW).isNotNan()) : inWindow)
      .groupBy(WINDOW, ...keys.map(({ name }) => name)).agg(...aggregates);
    const rows = longs.length > 0 ? grouped.withColumns(...longs) : grouped;
    const valueAt = valuesIn(rows); // columns are in the order they were asked in
    for (let row = 0, { height } = rows; row < height; row++) { // asked once: Polars counts
      groups.push({
        start: Number(valueAt(row, 0)),
        keys: keys.map(({ type }, i) => keyOf(valueAt(row, 1 + i), type)),
        rows: Number(valueAt(row, 1 + keys.length)),
        slots: slots.map((_, i) => valueOf(valueAt(row, 2 + keys.length + i))),
      });
    }
  }
  return groups;
}

/** From this many rows on, to take whole columns of a frame costs less than to take its rows. */
const MANY_ROWS = 500;
/** Types whose values are doubles of 53 bits or less; those of `UInt64` may be. */
const IN_DOUBLES = /^(Float|U?Int(8|16|32)$|UInt64$)/;

/** Returns what gives a value of a frame by row and column. */
function valuesIn(frame: DataFrame): (row: number, column: number) => unknown {
  if (frame.height < MANY_ROWS) {
    const rows: unknown[][] = frame.rows();
    return (row, column) => rows[row]![column];
  }
  const columns = frame.sort(WINDOW).getColumns().map(valuesOf); // the state wants them in order
  return (row, column) => columns[column]![row];
}

function valuesOf(series: Series): ArrayLike<unknown> {
  if (series.nullCount() > 0 || !IN_DOUBLES.test(series.dtype.variant)) return series.toArray();
  const values = series.cast(pl.Float64).toTypedArray() as Float64Array;
  const isExact = series.dtype.variant !== "UInt64" || values.every((value) => value < 2 ** 53);
  return isExact ? values : series.toArray();
}

/** Returns a slot of a grouped row; a bigint is the int64 of the same 64 bits. */
function valueOf(value: unknown): Value {
  return typeof value === "bigint" ? narrow(BigInt.asIntN(64, value)) : value as number | null;
}

/** Returns a key of a grouped row. Polars groups both zeros as one and gives either; so does Spark, and gives 0. */
function keyOf(value: unknown, { variant }: DataType): Key {
  if (variant === "UInt64" && typeof value === "bigint") return narrow(value);
  return typeof value === "bigint" ? valueOf(value) : value === 0 ? 0 : value as Key;
}

/** Returns groups as rows: window_start, window_end, the keys, the aggregates. */
export function rowsOf(
  groups: readonly Group[],
  { window, keys, results }: Aggregation,
): DataFrame {
  const times = (name: string, shift: number) =>
    asTimestamps(pl.Series(name, groups.map(({ start }) => start + shift), pl.Float64));
  let slot = 0;
  return pl.DataFrame([
    times("window_start", 0),
    times("window_end", window.size),
    ...keys.map(({ name, type }, i) => seriesOf(name, groups.map(({ keys }) => keys[i]!), type)),
    ...results.map(({ name, type, slots, finish }) => {
      const from = slot;
      slot += slots.length;
      return seriesOf(name, groups.map(({ slots }) => finish(slots.slice(from, slot))), type);
    }),
  ]);
}

function numberSeries(name: string, { values, nulls, nullCount }: NumberColumn): Series {
  return nullCount === 0
    ? pl.Series(name, values, pl.Float64)
    : doubles(name, Array.from(values, (value, i) => nulls[i] === 1 ? null : value));
}

/**
 * Makes a series of keys or results. Polars makes a null 0 in a series of numbers, unless they are
 * doubles, and takes no bigint for an int64.
 */
function seriesOf(name: string, values: readonly Key[], type: DataType): Series {
  if (/^(Utf8|String|Null)$/.test(type.variant)) {
    return pl.Series(name, [...values] as (string | null)[], pl.Utf8).cast(type);
  }
  if (values.some((value) => typeof value === "bigint")) {
    const texts = values.map((value) => value === null ? null : String(value));
    return pl.Series(name, texts, pl.Utf8).cast(type.variant === "UInt64" ? type : pl.Int64).cast(
      type,
    );
  }
  const numbers = values.map((value) => value === null ? null : Number(value));
  const isReal = /^Float/.test(type.variant);
  return isReal
    ? doubles(name, numbers).cast(type)
    : doubles(name, numbers).cast(pl.Int64).cast(type);
}
